// gpen serve: the queue, cancelling, time limits, the key, and the end of the server.
#include <gtest/gtest.h>

#include <csignal>
#include <future>

#include "app/serve/models.h"
#include "support/serve_client.h"

namespace gpen::test {
namespace {

class ServeJobs : public testing::Test {
 protected:
  CommandLine folder{GPEN_BINARY};
  const std::string tiny = make_tiny_gpen(folder);
  const std::string png = picture_bytes(300, 260);

  std::vector<std::string> arguments(std::vector<std::string> more) {
    std::vector<std::string> all = {"-m", tiny, "--device", "cpu", "-j", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // A job that keeps the worker busy for many seconds, unless it is cancelled: hundreds of megapixels of network.
  static std::string start_long_job(httplib::Client& client) {
    const auto r = client.Post("/api/v1/benchmark", R"({"batch":16,"reps":100})", "application/json");
    EXPECT_EQ(status_of(r), 202) << (r ? r->body : "");
    return body_of(r).value("id", "");
  }
  static Json wait_until_running(httplib::Client& client, const std::string& id) {
    return wait_for_job(client, id, [](const Json& job) { return job["state"] != "queued"; });
  }
  httplib::Result restore(httplib::Client& client, const std::string& wait) {
    return client.Post("/api/v1/restore", form(png, {{"faces", faces_json()}, {"wait", wait}}));
  }
  // Its benchmarks run for long.
  std::vector<std::string> slow(std::vector<std::string> more) {
    std::vector<std::string> all = {"-m", "identity", "--size", "256", "--device", "cpu", "-j", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(ServeJobs, FullQueueRefusesAndSaysWhenToComeBack) {
  Server server(slow({"--queue", "2"}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const std::string running = start_long_job(client);
  ASSERT_EQ(wait_until_running(client, running)["state"], "running");
  const std::string first = body_of(restore(client, "0")).value("id", ""), second = start_long_job(client);
  const Json waiting = body_of(client.Get("/api/v1/jobs/" + second));
  EXPECT_EQ(waiting["state"], "queued");
  EXPECT_EQ(waiting["position"], 2);
  for (const char* wait : {"0", "1"}) {
    const auto refused = restore(client, wait);
    EXPECT_EQ(status_of(refused), 503);
    EXPECT_EQ(code_of(refused), "busy");
    EXPECT_GT(std::atoi(refused->get_header_value("Retry-After").c_str()), 0);
  }
  EXPECT_EQ(body_of(client.Get("/health"))["queued"], 2);

  // The queued one is cancelled at once, and makes room; those behind it move up.
  EXPECT_EQ(body_of(client.Delete("/api/v1/jobs/" + first))["state"], "cancelled");
  EXPECT_EQ(body_of(client.Get("/api/v1/jobs/" + second))["position"], 1);
  EXPECT_EQ(body_of(client.Get("/api/v1/jobs/" + first))["error"]["code"], "cancelled");
  const auto accepted = restore(client, "0");
  EXPECT_EQ(status_of(accepted), 202);
  // So is the running one, and the next begins.
  EXPECT_EQ(body_of(client.Delete("/api/v1/jobs/" + running))["state"], "cancelled");
  EXPECT_EQ(wait_until_running(client, second)["state"], "running");
  EXPECT_EQ(body_of(client.Delete("/api/v1/jobs/" + second))["state"], "cancelled");
  EXPECT_EQ(wait_until_ended(client, body_of(accepted)["id"])["state"], "done");
}

TEST_F(ServeJobs, WhoLeavesIsNotWaitedFor) {
  Server server(slow({}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const std::string running = start_long_job(client);
  ASSERT_EQ(wait_until_running(client, running)["state"], "running");
  {
    httplib::Client impatient = server.client();
    impatient.set_read_timeout(1);
    EXPECT_EQ(status_of(restore(impatient, "1")), -1);
  }
  for (int i = 0; i < 1000 && body_of(client.Get("/health"))["queued"] != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(body_of(client.Get("/health"))["queued"], 0);
  EXPECT_NE(client.Get("/metrics")->body.find("gpen_jobs_total{kind=\"restore\",state=\"cancelled\"} 1"),
            std::string::npos);
  client.Delete("/api/v1/jobs/" + running);
}

TEST_F(ServeJobs, TimeLimitCountsTheWaiting) {
  Server server(slow({"--timeout", "8"}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  int late = 0;
  // The restoration comes a moment after the job before it, and gets its turn when that job's step happens to end in
  // the moment between their limits: then again.
  for (int i = 0; i < 4 && late != 504; ++i) {
    const std::string running = start_long_job(client);
    ASSERT_EQ(wait_until_running(client, running)["state"], "running");
    const auto answer = restore(client, "1");
    late = status_of(answer);
    if (late == 504) {
      EXPECT_EQ(code_of(answer), "timeout");
    }
    const Json job = wait_until_ended(client, running);
    EXPECT_EQ(job["state"], "failed");
    EXPECT_EQ(job["error"]["code"], "timeout");
  }
  EXPECT_EQ(late, 504);
}

TEST_F(ServeJobs, EventsOfACancelledJobEnd) {
  Server server(slow({}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const std::string id = start_long_job(client);
  std::string stream;
  bool cancelled = false;
  const auto r = client.Get("/api/v1/jobs/" + id + "/events", [&](const char* data, size_t n) {
    stream.append(data, n);
    if (!cancelled && stream.find("\"running\"") != std::string::npos) {
      cancelled = true;
      httplib::Client other = server.client();
      EXPECT_EQ(status_of(other.Delete("/api/v1/jobs/" + id)), 200);
    }
    return true;
  });
  EXPECT_EQ(status_of(r), 200);
  const size_t end = stream.find("event: end\ndata: ");
  ASSERT_NE(end, std::string::npos) << stream;
  EXPECT_NE(stream.find("\"state\":\"cancelled\"", end), std::string::npos) << stream;
}

TEST_F(ServeJobs, FinishedJobsAreKeptWithinBounds) {
  Server server(arguments({"--keep-results", "3"}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(body_of(restore(client, "0")).value("id", ""));
    EXPECT_EQ(wait_until_ended(client, ids.back())["state"], "done");
  }
  for (size_t i = 0; i < ids.size(); ++i)
    EXPECT_EQ(status_of(client.Get("/api/v1/jobs/" + ids[i])), i < 2 ? 404 : 200) << i;
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());

  Server brief(arguments({"--keep-minutes", "0.01"}));  // 0.6 s
  ASSERT_TRUE(brief.wait_until_ready()) << brief.err();
  httplib::Client other = brief.client();
  const std::string id = body_of(restore(other, "0")).value("id", "");
  const std::string state = wait_until_ended(other, id).value("state", "forgotten already");
  EXPECT_TRUE(state == "done" || state == "forgotten already") << state;
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  EXPECT_EQ(status_of(other.Get("/api/v1/jobs/" + id)), 404);
}

TEST_F(ServeJobs, ApiKeyGuardsWhatItShould) {
  for (const bool from_environment : {false, true}) {
    Server server = from_environment ? Server(arguments({}), {{"GPEN_API_KEY", "secret-1"}})
                                     : Server(arguments({"--api-key", "secret-1"}));
    ASSERT_TRUE(server.wait_until_ready()) << server.err();  // /health is open
    httplib::Client client = server.client();
    EXPECT_EQ(status_of(client.Get("/")), 200);
    EXPECT_EQ(status_of(client.Get("/openapi.json")), 200);
    for (const char* path : {"/metrics", "/api/v1/models", "/api/v1/jobs/1", "/sdapi/v1/upscalers"}) {
      const auto refused = client.Get(path);
      EXPECT_EQ(status_of(refused), 401) << path;
      EXPECT_EQ(code_of(refused), "unauthorized");
      EXPECT_EQ(status_of(client.Get(path, {{"X-Api-Key", "secret-2"}})), 401);
      EXPECT_EQ(status_of(client.Get(path, {{"X-Api-Key", ""}})), 401);
      EXPECT_EQ(status_of(client.Get(path, {{"Authorization", "Bearer secret-"}})), 401);
      EXPECT_NE(status_of(client.Get(path, {{"Authorization", "Bearer secret-1"}})), 401);
      EXPECT_NE(status_of(client.Get(path, {{"X-Api-Key", "secret-1"}})), 401);
      EXPECT_NE(status_of(client.Get(std::string(path) + "?key=secret-1")), 401);
    }
    EXPECT_EQ(status_of(restore(client, "1")), 401);
    EXPECT_EQ(status_of(client.Post("/api/v1/restore?key=secret-1", form(png, {{"faces", faces_json()}}))), 401);
    EXPECT_EQ(
        status_of(client.Post("/api/v1/restore", {{"X-Api-Key", "secret-1"}}, form(png, {{"faces", faces_json()}}))),
        200);
  }
}

TEST_F(ServeJobs, CorsOnlyWhenAsked) {
  Server server(arguments({"--cors", "https://example.org"}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  EXPECT_EQ(client.Get("/health")->get_header_value("Access-Control-Allow-Origin"), "https://example.org");
  EXPECT_EQ(status_of(client.Options("/api/v1/restore")), 204);
}

TEST(ServeDevices, NamedByIndexAndOthersThatOpen) {
  const auto info = [](const char* name, int capability) {
    DeviceInfo device;
    device.name = name;
    device.capability = capability;
    return device;
  };
  const std::vector<DeviceInfo> listed = {info("cuda:0", 60), info("cuda:1", 90), info("cuda:2", 75),
                                          info("cuda:3", 90)};
  std::vector<std::string> notes;
  const auto names = [&](const std::string& option, const std::vector<DeviceInfo>& there) {
    const auto open = [](int index) { return index == 2 ? fail(Code::device, "lost") : Status(); };
    const auto found = serve::menu_devices(option, there, open, &notes);
    if (!found.ok()) return std::string(found.status().code() == Code::device ? "device" : "?");
    std::string text;
    for (const auto& device : *found) text += device.name + (device.is_default ? "* " : " ");
    return text;
  };
  EXPECT_EQ(names("cpu", {}), "cpu* ");
  EXPECT_EQ(names("auto", {}), "cpu* ");
  EXPECT_EQ(names("cuda:1,cuda:03", listed), "cuda:1* cuda:3* ");
  EXPECT_EQ(names("cuda,cuda:1", {listed[1], listed[3]}), "cuda:1* cuda:3* ");  // by place
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(names("auto", listed), "cuda:1* cuda:3 cpu ");
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0], "cuda:2 cannot be used: lost");
  for (const char* wrong : {"cuda", "cuda:0", "cuda:1,cuda:4"}) EXPECT_EQ(names(wrong, listed), "device") << wrong;
}

// A signal: what runs is finished and answered, what waits is told, and the exit code is 0.
TEST_F(ServeJobs, StopFinishesWhatRuns) {
  Server server(slow({"--grace", "600"}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const auto started = client.Post("/api/v1/benchmark", R"({"batch":1,"reps":40})", "application/json");
  ASSERT_EQ(status_of(started), 202);
  const std::string id = body_of(started)["id"];
  ASSERT_EQ(wait_until_running(client, id)["state"], "running");
  const std::string waiting = body_of(restore(client, "0")).value("id", "");
  const auto events = [&](const std::string& job) {
    return std::async(std::launch::async, [&server, job] {
      httplib::Client own = server.client();
      const auto r = own.Get("/api/v1/jobs/" + job + "/events");
      return r ? r->body : std::string();
    });
  };
  auto of_running = events(id), of_waiting = events(waiting);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  server.signal(SIGTERM);
  for (int i = 0; i < 500; ++i) {
    const auto health = client.Get("/health");
    if (!health || health->status == 503) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (server.running()) {  // while it stops: no new work
    const auto refused = restore(client, "0");
    EXPECT_TRUE(!refused || refused->status == 503);
  }
  EXPECT_EQ(server.wait(700), 0) << server.err();
  const std::string ran = of_running.get(), waited = of_waiting.get();
  EXPECT_NE(ran.find("\"state\":\"done\"", ran.find("event: end")), std::string::npos) << ran;
  EXPECT_NE(waited.find("stopped before this job began", waited.find("event: end")), std::string::npos) << waited;
  EXPECT_NE(server.err().find("running jobs: 1 finished, 0 given up; waiting jobs given up: 1"), std::string::npos)
      << server.err();
}

TEST_F(ServeJobs, StopGivesUpWhatTakesTooLong) {
  Server server(slow({"--grace", "0.2"}));
  ASSERT_TRUE(server.wait_until_ready()) << server.err();
  httplib::Client client = server.client();
  const std::string id = start_long_job(client);
  ASSERT_EQ(wait_until_running(client, id)["state"], "running");
  server.signal(SIGINT);
  EXPECT_EQ(server.wait(100), 0) << server.err();
  EXPECT_NE(server.err().find("running jobs: 0 finished, 1 given up"), std::string::npos) << server.err();
}

TEST_F(ServeJobs, WrongStartsEndInWords) {
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "serve");
    return folder(words);
  };
  EXPECT_EQ(run({"--help"}).code, 0);
  EXPECT_NE(run({"--help"}).out.find("--max-pixels"), std::string::npos);
  EXPECT_EQ(run({"--colour"}).code, 2);
  EXPECT_EQ(run({"--port", "70000"}).code, 2);
  EXPECT_EQ(run({"--port", "0", "--device", "tpu"}).code, 2);
  EXPECT_EQ(run({"--port", "0", "-m", "missing.safetensors"}).code, 3);
  EXPECT_EQ(run({"--port", "0", "--size", "512"}).code, 3);
  EXPECT_EQ(run({"--port", "0", "-m", tiny, "--size", "512"}).code, 2);
  EXPECT_EQ(run({"--port", "0", "-m", tiny, "--detector", tiny}).code, 3);
  EXPECT_EQ(run({"--port", "0", "-m", tiny, "--precision", "fp16", "--device", "cpu"}).code, 5);
  EXPECT_EQ(run({"--port", "0", "-m", tiny, "--host", "203.0.113.1"}).code, 4);
  Server server(arguments({}));
  ASSERT_GT(server.port(), 0);
  const CommandResult taken = run({"--port", std::to_string(server.port()), "-m", tiny});
  EXPECT_EQ(taken.code, 4);
  EXPECT_NE(taken.err.find("cannot listen"), std::string::npos) << taken.err;
}

}  // namespace
}  // namespace gpen::test
