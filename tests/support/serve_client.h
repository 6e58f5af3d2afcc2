// What the tests of `gpen serve` send, and how they wait.
#pragma once
#include <gtest/gtest.h>
#include <httplib.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "pipeline/image.h"
#include "support/command.h"
#include "support/pictures.h"
#include "support/serve_process.h"

namespace gpen::test {

using Json = nlohmann::json;

// A GPEN of 32 pixels: quick, and the whole real pipeline.
inline const char* const kTinyGpen = "gpen:size=32,cm=2,narrow=0.0625,style=16,mlp=2";

inline std::string picture_bytes(int width, int height, ImageFormat format = ImageFormat::png, int variant = 0) {
  const auto bytes = encode_image(test_picture(width, height, variant), format).value();
  return {bytes.begin(), bytes.end()};
}

// Landmarks of `count` faces side by side, for pictures of 300 x 260 and more.
inline std::string faces_json(int count = 1) {
  Json faces = Json::array();
  for (int i = 0; i < count; ++i) {
    Json landmarks = Json::array();
    for (const auto& [x, y] : {std::pair{75, 80}, {105, 80}, {90, 98}, {77, 116}, {103, 116}})
      landmarks.push_back({x + 60 * i, y});
    faces.push_back({{"landmarks", landmarks}, {"score", 0.9 - 0.01 * i}});
  }
  return Json{{"faces", faces}}.dump();
}

class Server : public ServeProcess {
 public:
  explicit Server(const std::vector<std::string>& arguments,
                  const std::vector<std::pair<std::string, std::string>>& environment = {})
      : ServeProcess(GPEN_BINARY, arguments, environment) {
    EXPECT_GT(port(), 0) << err();
  }
  httplib::Client client() const {
    httplib::Client c("127.0.0.1", port());
    c.set_read_timeout(120);
    c.set_write_timeout(60);
    c.set_connection_timeout(30);
    return c;
  }
  // Until /health says that the networks are loaded.
  bool wait_until_ready(double seconds = 240) {
    for (const auto start = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() - start < std::chrono::duration<double>(seconds) && running();) {
      const auto r = client().Get("/health");
      if (r && r->status == 200) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
};

// A file with the weights of kTinyGpen in `folder`.
inline std::string make_tiny_gpen(const CommandLine& folder) {
  EXPECT_EQ(folder({"synth", kTinyGpen, "-o", "tiny.safetensors"}).code, 0);
  return folder.path("tiny.safetensors");
}

inline httplib::MultipartFormDataItems form(
    const std::string& picture, const std::vector<std::pair<std::string, std::string>>& options,
    const std::string& filename = "photo.png") {
  httplib::MultipartFormDataItems items = {{"image", picture, filename, "image/png"}};
  for (const auto& [name, value] : options) items.push_back({name, value, "", ""});
  return items;
}

inline Json body_of(const httplib::Result& r) {
  return r ? Json::parse(r->body, nullptr, false) : Json("no answer: " + httplib::to_string(r.error()));
}
inline int status_of(const httplib::Result& r) { return r ? r->status : -1; }
inline std::string code_of(const httplib::Result& r) {
  const Json json = body_of(r);
  return json.is_object() && json.contains("error") ? json["error"].value("code", "?") : json.dump().substr(0, 200);
}
inline std::string message_of(const httplib::Result& r) {
  const Json json = body_of(r);
  return json.is_object() && json.contains("error") ? json["error"].value("message", "?") : json.dump().substr(0, 200);
}

inline Result<Image> image_of(const std::string& bytes) {
  return load_image(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), "answer");
}

// Polls a job until `done` says so, at most so long; its last description.
template <class Done>
Json wait_for_job(httplib::Client& client, const std::string& id, Done done, double seconds = 120) {
  Json job;
  for (const auto start = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - start < std::chrono::duration<double>(seconds);) {
    job = body_of(client.Get("/api/v1/jobs/" + id));
    if (!job.is_object() || done(job)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return job;
}
inline Json wait_until_ended(httplib::Client& client, const std::string& id) {
  return wait_for_job(client, id, [](const Json& job) {
    const std::string state = job.value("state", "none");
    return state != "queued" && state != "running";
  });
}

}  // namespace gpen::test
