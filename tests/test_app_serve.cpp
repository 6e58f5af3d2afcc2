// gpen serve: every endpoint, and every error that a well-meaning client can meet.
#include <gtest/gtest.h>

#include "app/serve/api.h"
#include "support/serve_client.h"

namespace gpen::test {
namespace {

// One server for all tests of this file.
class Serve : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new CommandLine(GPEN_BINARY);
    server_ = new Server(
        {"-m", make_tiny_gpen(*folder_), "--device", "cpu", "-j", "1", "--max-pixels", "1", "--max-body", "2"});
    ASSERT_TRUE(server_->wait_until_ready()) << server_->err();
  }
  static void TearDownTestSuite() {
    delete server_;
    delete folder_;
  }
  httplib::Client client = server_->client();
  const std::string png = picture_bytes(300, 260);
  httplib::Result restore(const std::vector<std::pair<std::string, std::string>>& options) {
    return client.Post("/api/v1/restore", form(png, options));
  }
  // The options with a face, so that no detector is needed.
  std::vector<std::pair<std::string, std::string>> with_face(std::vector<std::pair<std::string, std::string>> options) {
    options.push_back({"faces", faces_json()});
    return options;
  }

  static CommandLine* folder_;
  static Server* server_;
};
CommandLine* Serve::folder_ = nullptr;
Server* Serve::server_ = nullptr;

TEST_F(Serve, PageIsOneFileThatLoadsNothingElse) {
  const auto r = client.Get("/");
  ASSERT_EQ(status_of(r), 200);
  EXPECT_EQ(r->body.rfind("<!doctype html>", 0), 0u);
  EXPECT_NE(r->body.find("</html>"), std::string::npos);
  for (const char* elsewhere : {"<link rel=\"stylesheet\"", "<script src", "@import", "@STYLE@", "@SCRIPT@"})
    EXPECT_EQ(r->body.find(elsewhere), std::string::npos) << elsewhere;
  EXPECT_EQ(r->get_header_value("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(r->get_header_value("Content-Security-Policy").rfind("default-src 'none'; script-src 'sha256-", 0), 0u);
  EXPECT_EQ(r->get_header_value("Content-Security-Policy").find("unsafe"), std::string::npos);
  EXPECT_EQ(r->get_header_value("X-Content-Type-Options"), "nosniff");
}

TEST_F(Serve, HealthModelsAndMetrics) {
  const auto health = client.Get("/health");
  EXPECT_EQ(status_of(health), 200);
  EXPECT_EQ(body_of(health)["status"], "ok");

  const Json models = body_of(client.Get("/api/v1/models"));
  EXPECT_EQ(models["sizes"], Json::array({32}));
  EXPECT_EQ(models["default"]["size"], 32);
  EXPECT_EQ(models["default"]["gpen"], "tiny.safetensors");  // not where it lies
  EXPECT_TRUE(models["default"]["detector"].is_null());
  EXPECT_EQ(models["devices"][0]["name"], "cpu");
  EXPECT_EQ(models["devices"][0]["precisions"], Json::array({"fp32", "bf16"}));
  EXPECT_EQ(models["limits"]["body_bytes"], 2 << 20);
  EXPECT_EQ(models["limits"]["pixels"], 1000000);
  EXPECT_EQ(models["limits"]["queue"], 16);
  EXPECT_FALSE(models["notes"].empty());  // no detector

  ASSERT_EQ(status_of(restore(with_face({}))), 200);
  const auto metrics = client.Get("/metrics");
  ASSERT_EQ(status_of(metrics), 200);
  for (const char* line :
       {"gpen_ready 1\n", "gpen_queue_limit 16\n", "gpen_jobs_total{kind=\"restore\",state=\"done\"} ",
        "gpen_http_requests_total{route=\"/api/v1/restore\",code=\"200\"} ", "process_resident_memory_bytes ",
        "gpen_job_duration_seconds_bucket{le=\"+Inf\"} ", "# TYPE gpen_job_duration_seconds histogram\n",
        "gpen_stage_seconds_total{stage=\"restore\"} ", "gpen_loaded_networks{device=\"cpu\"} 1\n"})
    EXPECT_NE(metrics->body.find(line), std::string::npos) << line << "\n" << metrics->body;
}

// The picture is what the command makes of the same input.
TEST_F(Serve, RestoreAnswersWithTheCommandsPicture) {
  write_text(*folder_ / "in.png", png);
  write_text(*folder_ / "faces.json", faces_json(2));
  const CommandResult command = (*folder_)({"restore", "-i", "in.png", "-m", "tiny.safetensors", "--faces",
                                            "faces.json", "--device", "cpu", "-o", "out.png", "--alpha", "0.7"});
  ASSERT_EQ(command.code, 0) << command.err;
  const auto r = client.Post("/api/v1/restore", form(png, {{"faces", faces_json(2)}, {"alpha", "0.7"}}));
  ASSERT_EQ(status_of(r), 200) << r->body;
  EXPECT_EQ(r->get_header_value("Content-Type"), "image/png");
  EXPECT_EQ(r->get_header_value("X-Gpen-Faces"), "2");
  EXPECT_EQ(r->get_header_value("X-Gpen-Job").size(), 32u);
  EXPECT_TRUE(r->body == read_text(*folder_ / "out.png"));
}

TEST_F(Serve, RawBodyAndFormats) {
  const std::string faces = httplib::detail::encode_query_param(faces_json());
  for (const auto& [format, type] : {std::pair{"png", "image/png"}, {"jpg", "image/jpeg"}, {"bmp", "image/bmp"}}) {
    const auto r = client.Post("/api/v1/restore?faces=" + faces + "&format=" + format, png, "image/png");
    ASSERT_EQ(status_of(r), 200) << r->body;
    EXPECT_EQ(r->get_header_value("Content-Type"), type);
    const auto picture = image_of(r->body);
    ASSERT_TRUE(picture.ok()) << picture.status().message();
    EXPECT_EQ(picture->width, 300);
    EXPECT_EQ(name_of(picture->format), std::string(format));
  }
}

// `curl --data-binary @photo.png` says that it sends a form.
TEST_F(Serve, RawBodyOfCurlsDefaultType) {
  const std::string path = "/api/v1/restore?faces=" + httplib::detail::encode_query_param(faces_json());
  const std::string bmp = picture_bytes(300, 260, ImageFormat::bmp);
  ASSERT_GT(bmp.size(), 100000u);
  for (const char* type : {"application/x-www-form-urlencoded", "application/X-WWW-Form-Urlencoded; charset=utf-8"}) {
    const auto r = client.Post(path, bmp, type);
    ASSERT_EQ(status_of(r), 200) << r->body;
    EXPECT_EQ(r->body, client.Post(path, bmp, "image/bmp")->body);
    const auto fields = client.Post(path, "alpha=1&size=32", type);
    EXPECT_EQ(status_of(fields), 415);
    EXPECT_NE(message_of(fields).find("x-www-form-urlencoded"), std::string::npos) << message_of(fields);
  }
}

TEST_F(Serve, OptionsChangeThePicture) {
  const auto plain = restore(with_face({}));
  ASSERT_EQ(status_of(plain), 200);
  EXPECT_EQ(restore(with_face({}))->body, plain->body);
  EXPECT_NE(restore(with_face({{"lambda_id", "1"}}))->body, plain->body);
  EXPECT_NE(restore(with_face({{"alpha", "0.3"}}))->body, plain->body);
  EXPECT_NE(restore(with_face({{"draw_boxes", "1"}}))->body, plain->body);
  EXPECT_NE(restore(with_face({{"precision", "bf16"}}))->body, plain->body);
  const auto untouched = image_of(restore({{"faces", "[]"}})->body);
  EXPECT_EQ(largest_difference(*untouched, test_picture(300, 260)), 0);
}

TEST_F(Serve, ExcludedFacesStayAsTheyAre) {
  const auto first = restore({{"faces", faces_json(1)}});
  const auto without_second = restore({{"faces", faces_json(2)}, {"exclude", "1"}});
  ASSERT_EQ(status_of(without_second), 200) << without_second->body;
  EXPECT_EQ(without_second->get_header_value("X-Gpen-Faces"), "1");
  EXPECT_TRUE(first->body == without_second->body);
  const auto largest = restore({{"faces", faces_json(3)}, {"largest_face", "1"}});
  EXPECT_EQ(largest->get_header_value("X-Gpen-Faces"), "1");

  const auto queued = body_of(restore({{"faces", faces_json(3)}, {"exclude", "0,2"}, {"wait", "0"}}));
  const Json job = wait_until_ended(client, queued["id"]);
  ASSERT_EQ(job["state"], "done") << job;
  ASSERT_EQ(job["faces"].size(), 1u);
  EXPECT_EQ(job["faces"][0]["index"], 1);  // its place among all three
}

TEST_F(Serve, JobsAreFollowedAndFetched) {
  const auto accepted = restore({{"faces", faces_json(2)}, {"wait", "0"}});
  ASSERT_EQ(status_of(accepted), 202) << accepted->body;
  const std::string id = body_of(accepted)["id"], path = "/api/v1/jobs/" + id;
  EXPECT_EQ(accepted->get_header_value("Location"), path);
  const Json job = wait_until_ended(client, id);
  EXPECT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["percent"], 100);
  EXPECT_EQ(job["name"], "photo.png");
  EXPECT_EQ(job["width"], 300);
  EXPECT_EQ(job["height"], 260);
  EXPECT_EQ(job["faces"].size(), 2u);
  EXPECT_EQ(job["faces"][1]["landmarks"].size(), 5u);
  EXPECT_TRUE(job["faces"][0]["smoothed"].get<bool>());  // below 100 pixels
  EXPECT_EQ(job["result"], path + "/result");
  EXPECT_FALSE(job["times"].empty());
  for (const char* format : {"png", "jpg", "bmp"}) {
    const auto r = client.Get(path + "/result?download=1&format=" + format);
    ASSERT_EQ(status_of(r), 200);
    EXPECT_EQ(r->get_header_value("Content-Disposition"),
              std::string("attachment; filename=\"photo_restored.") + format + "\"");
    EXPECT_TRUE(image_of(r->body).ok());
  }
  EXPECT_LT(client.Get(path + "/result?format=jpg&quality=20")->body.size(),
            client.Get(path + "/result?format=jpg")->body.size());
  EXPECT_EQ(status_of(client.Get(path + "/result?format=gif")), 400);
  EXPECT_EQ(status_of(client.Get(path + "/result?size=3")), 400);
  EXPECT_EQ(body_of(client.Delete(path))["state"], "done");
  EXPECT_EQ(status_of(client.Get(path)), 404);  // forgotten
  EXPECT_EQ(status_of(client.Get(path + "/result")), 404);
  EXPECT_EQ(status_of(client.Delete(path)), 404);
}

TEST_F(Serve, EventsTellEveryStateInOrder) {
  const std::string id = body_of(restore({{"faces", faces_json(3)}, {"wait", "0"}}))["id"];
  std::string stream;
  const auto r = client.Get("/api/v1/jobs/" + id + "/events", [&](const char* data, size_t n) {
    stream.append(data, n);
    return true;
  });
  ASSERT_EQ(status_of(r), 200);
  EXPECT_EQ(r->get_header_value("Content-Type"), "text/event-stream");
  std::vector<std::string> events;
  double percent = 0;
  const std::vector<std::string> order = {"queued", "running", "done"};
  size_t at = 0;
  std::istringstream lines(stream);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("event: ", 0) == 0) events.push_back(line.substr(7));
    if (line.rfind("data: ", 0) != 0) continue;
    const Json job = Json::parse(line.substr(6));
    EXPECT_EQ(job["id"], id);
    EXPECT_GE(job["percent"].get<double>(), percent);
    percent = job["percent"];
    while (at < order.size() && order[at] != job["state"]) ++at;
    ASSERT_LT(at, order.size()) << "out of order: " << stream;
  }
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back(), "end");
  EXPECT_EQ(std::count(events.begin(), events.end(), "end"), 1);
  EXPECT_EQ(percent, 100);
  EXPECT_EQ(order[at], "done");
  // Of a job that has ended: its end at once.
  const auto again = client.Get("/api/v1/jobs/" + id + "/events");
  EXPECT_EQ(again->body.rfind("event: end\ndata: ", 0), 0u) << again->body;
}

TEST_F(Serve, BenchmarkIsAJob) {
  const auto accepted = client.Post("/api/v1/benchmark", R"({"size":32,"batch":2,"reps":3})", "application/json");
  ASSERT_EQ(status_of(accepted), 202) << accepted->body;
  const Json job = wait_until_ended(client, body_of(accepted)["id"]);
  ASSERT_EQ(job["state"], "done") << job;
  const Json& b = job["benchmark"];
  EXPECT_EQ(b["batch"], 2);
  EXPECT_EQ(b["device"], "cpu");
  EXPECT_EQ(b["precision"], "fp32");
  EXPECT_GT(b["min_ms"].get<double>(), 0);
  EXPECT_GE(b["median_ms"].get<double>(), b["min_ms"].get<double>());
  EXPECT_DOUBLE_EQ(b["per_face_ms"].get<double>(), b["median_ms"].get<double>() / 2);
  for (const char* wrong : {"[]", "{", R"({"size":33})", R"({"reps":0})", R"({"speed":1})", R"({"batch":{}})"})
    EXPECT_EQ(status_of(client.Post("/api/v1/benchmark", wrong, "application/json")), 400) << wrong;
  // Options in the query, as of a restoration.
  const auto in_query = client.Post("/api/v1/benchmark?batch=3", R"({"reps":1})", "application/json");
  ASSERT_EQ(status_of(in_query), 202) << in_query->body;
  EXPECT_EQ(wait_until_ended(client, body_of(in_query)["id"])["benchmark"]["batch"], 3);
  const auto unknown = client.Post("/api/v1/benchmark?size=32&nonsense=1", "", "application/json");
  EXPECT_EQ(status_of(unknown), 400);
  EXPECT_NE(message_of(unknown).find("nonsense"), std::string::npos) << message_of(unknown);
  EXPECT_EQ(status_of(client.Post("/api/v1/benchmark?batch=2", R"({"batch":2})", "application/json")), 400);  // twice
}

TEST_F(Serve, OptionsAreStrict) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"lambda_id", "1.5"}, {"lambda_id", "abc"},    {"lambda_id", "nan"},    {"alpha", "-0.1"},
      {"size", "512"},      {"size", "32.5"},        {"threshold", "1"},      {"min_face", "-1"},
      {"max_faces", "1e9"}, {"largest_face", "yes"}, {"exclude", "a"},        {"exclude", "-1"},
      {"exclude", "7"},     {"upscale", "2"},        {"upscale", "3"},        {"tile_size", "64"},
      {"device", "cuda:9"}, {"device", "/dev/sda"},  {"precision", "int8"},   {"precision", "tf32"},
      {"format", "gif"},    {"quality", "0"},        {"draw_boxes", "2"},     {"wait", "maybe"},
      {"detect_size", "5"}, {"sharpness", "1"},      {"path", "/etc/passwd"}, {"model", "identity"}};
  for (const auto& [name, value] : wrong) {
    const auto r = restore(with_face({{name, value}}));
    EXPECT_EQ(status_of(r), 400) << name << "=" << value;
    EXPECT_EQ(code_of(r), "usage");
    EXPECT_NE(message_of(r).find(name), std::string::npos) << name << "=" << value << ": " << message_of(r);
  }
  EXPECT_EQ(status_of(restore(with_face({{"alpha", "1"}, {"alpha", "0"}}))), 400);
  for (const char* faces : {"{", "[{}]", R"([{"landmarks":[1,2,3]}])", R"([{"landmarks":[[1,2],[1,2],[1,2],[1,2]]}])"})
    EXPECT_EQ(status_of(restore({{"faces", faces}})), 400) << faces;
  // Without faces a detector would be needed.
  const auto r = restore({});
  EXPECT_EQ(status_of(r), 400);
  EXPECT_EQ(code_of(r), "model");
  EXPECT_EQ(code_of(client.Post("/api/v1/detect", form(png, {}))), "model");
}

TEST_F(Serve, UploadsAreChecked) {
  const auto post = [&](const std::string& bytes) {
    return client.Post("/api/v1/restore", form(bytes, with_face({})));
  };
  EXPECT_EQ(status_of(post("")), 400);
  EXPECT_EQ(code_of(post("not a picture")), "unsupported");
  EXPECT_EQ(status_of(post("GIF89a.........")), 415);
  const auto cut = post(png.substr(0, png.size() / 2));
  EXPECT_EQ(status_of(cut), 415);
  EXPECT_EQ(code_of(cut), "unsupported");
  EXPECT_EQ(status_of(post(png.substr(0, 30))), 415);
  const auto large = post(picture_bytes(1001, 1000, ImageFormat::jpg));
  EXPECT_EQ(status_of(large), 413);
  EXPECT_EQ(code_of(large), "too_large");
  const auto bomb = post(png.substr(0, 16) + std::string("\x00\x00\x75\x30\x00\x00\x75\x30", 8) + png.substr(24));
  EXPECT_EQ(status_of(bomb), 413) << bomb->body;
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", png, "text/plain")), 415);
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", "x=1", "application/x-www-form-urlencoded")), 415);
  const auto no_image = client.Post("/api/v1/restore", httplib::MultipartFormDataItems{{"alpha", "1", "", ""}});
  EXPECT_EQ(status_of(no_image), 400);
  auto two = form(png, with_face({}));
  two.push_back({"image", png, "b.png", "image/png"});
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", two)), 400);
  auto other = form(png, with_face({}));
  other.push_back({"mask", png, "b.png", "image/png"});
  EXPECT_EQ(status_of(client.Post("/api/v1/restore", other)), 400);
  const auto body = client.Post("/api/v1/restore", std::string((2 << 20) + 1, 'x'), "image/png");
  EXPECT_EQ(status_of(body), 413);
  EXPECT_EQ(code_of(body), "too_large");
  // A job of its own tells the same.
  const Json queued =
      body_of(client.Post("/api/v1/restore", form(png.substr(0, png.size() / 2), with_face({{"wait", "0"}}))));
  const Json job = wait_until_ended(client, queued["id"]);
  EXPECT_EQ(job["state"], "failed");
  EXPECT_EQ(job["error"]["code"], "unsupported");
  EXPECT_EQ(status_of(client.Get("/api/v1/jobs/" + queued["id"].get<std::string>() + "/result")), 409);
}

TEST_F(Serve, NamesOfFilesAreOnlyNames) {
  for (const auto& [sent, shown] : {std::pair<std::string, std::string>{"../../etc/passwd", "passwd"},
                                    {"C:\\photos\\me.png", "me.png"},
                                    {"", "image"},
                                    {std::string(199, 'a') + "\xC3\xA4", std::string(199, 'a')},
                                    {"b\xC3\xA4r.png", "b\xC3\xA4r.png"}}) {
    const auto accepted = client.Post("/api/v1/restore", form(png, with_face({{"wait", "0"}}), sent));
    ASSERT_EQ(status_of(accepted), 202) << accepted->body;
    const Json job = wait_until_ended(client, body_of(accepted)["id"]);
    EXPECT_EQ(job["name"], shown) << sent;
  }
}

TEST_F(Serve, UnknownPlacesAndMethods) {
  EXPECT_EQ(status_of(client.Get("/nothing")), 404);
  EXPECT_EQ(code_of(client.Get("/nothing")), "not_found");
  EXPECT_EQ(status_of(client.Get("/api/v1/jobs/0123456789abcdef0123456789abcdef")), 404);
  EXPECT_EQ(status_of(client.Get("/api/v1/jobs/")), 404);
  const auto wrong = client.Get("/api/v1/restore");
  EXPECT_EQ(status_of(wrong), 405);
  EXPECT_EQ(wrong->get_header_value("Allow"), "POST");
  EXPECT_EQ(status_of(client.Put("/api/v1/models", "x", "text/plain")), 405);
  EXPECT_EQ(status_of(client.Delete("/health")), 405);
  EXPECT_EQ(status_of(client.Options("/api/v1/models")), 405);  // no --cors
  EXPECT_EQ(status_of(client.Head("/health")), 200);
  EXPECT_FALSE(client.Head("/health")->has_header("Accept-Ranges"));  // there are none
  for (const char* path : {"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "//etc/passwd", "/..%2f"})
    EXPECT_EQ(status_of(client.Get(path)), 404) << path;
}

// The document names every route, every route is in the document, and every path of it answers.
TEST_F(Serve, OpenApiIsTheTruth) {
  const auto r = client.Get("/openapi.json");
  ASSERT_EQ(status_of(r), 200);
  const Json document = body_of(r);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document["openapi"].get<std::string>().rfind("3.", 0), 0u);
  std::set<std::string> documented, served;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(c));
      documented.insert(upper + " " + path);
      EXPECT_FALSE(operation["summary"].get<std::string>().empty());
      EXPECT_FALSE(operation["responses"].empty()) << path;

      std::string real = path;
      if (const size_t at = real.find("{id}"); at != std::string::npos) real.replace(at, 4, std::string(32, '0'));
      const auto answer = method == "get"      ? client.Get(real)
                          : method == "post"   ? client.Post(real, "", "application/octet-stream")
                          : method == "delete" ? client.Delete(real)
                                               : client.Put(real, "", "text/plain");
      const std::string status = std::to_string(status_of(answer));
      EXPECT_TRUE(operation["responses"].contains(status)) << upper << " " << path << " answers " << status;
    }
  }
  for (const serve::Api::Route& route : serve::Api::routes()) served.insert(route.method + " " + route.path);
  EXPECT_EQ(documented, served);
  // Every reference leads somewhere.
  const std::string text = document.dump();
  for (size_t at = text.find("\"$ref\":\"#"); at != std::string::npos; at = text.find("\"$ref\":\"#", at + 1)) {
    const std::string pointer = text.substr(at + 9, text.find('"', at + 9) - at - 9);
    EXPECT_TRUE(document.contains(Json::json_pointer(pointer))) << pointer;
  }
  // The options of restore are those that are understood.
  for (const auto& [name, schema] : document["components"]["schemas"]["RestoreOptions"]["properties"].items()) {
    const auto unknown = restore(with_face({{name, "\x01"}}));
    EXPECT_EQ(message_of(unknown).find("unknown option"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace gpen::test
