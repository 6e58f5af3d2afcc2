// A tiny HTTP server on this machine, for tests of downloads: one file, byte ranges, and misbehaviour on request.
#pragma once
#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace gpen::test {

class HttpServer {
 public:
  struct Behaviour {
    std::string path = "/file";  // anything else is 404
    std::string content{};
    size_t cut_after = SIZE_MAX;  // sends so many bytes of the answer's body, then hangs up
    bool ranges = true;           // honours "Range: bytes=N-"
    std::string redirect{};       // answers 302 with this Location
    int delay_ms = 0;             // between pieces of 64 KiB
  };
  explicit HttpServer(Behaviour behaviour);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string address() const;  // "http://127.0.0.1:PORT"
  int requests() const { return requests_; }
  int ranged_requests() const { return ranged_; }  // with a Range header

 private:
  void serve();
  void answer(int client);
  Behaviour behaviour_;
  int listener_ = -1, port_ = 0;
  std::atomic<int> requests_{0}, ranged_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace gpen::test
