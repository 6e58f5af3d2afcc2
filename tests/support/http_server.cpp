#include "support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace gpen::test {

HttpServer::HttpServer(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::listen(listener_, 8);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

std::string HttpServer::address() const { return std::string("http://127.0.0.1:").append(std::to_string(port_)); }

void HttpServer::serve() {
  while (!stop_) {
    pollfd wanted{listener_, POLLIN, 0};
    if (::poll(&wanted, 1, 20) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    answer(client);
    ::shutdown(client, SHUT_WR);
    ::close(client);
  }
}

void HttpServer::answer(int client) {
  std::string request;
  char buffer[4096];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t n = ::recv(client, buffer, sizeof buffer, 0);
    if (n <= 0) return;
    request.append(buffer, static_cast<size_t>(n));
  }
  ++requests_;
  const size_t begin = request.find(' ') + 1;
  const std::string path = request.substr(begin, request.find(' ', begin) - begin);
  size_t first = 0;
  if (const size_t range = request.find("Range: bytes="); range != std::string::npos) {
    ++ranged_;
    if (behaviour_.ranges) first = std::strtoull(request.c_str() + range + 13, nullptr, 10);
  }
  std::string head = "HTTP/1.1 200 OK\r\n", body = behaviour_.content;
  if (!behaviour_.redirect.empty()) {
    head = std::string("HTTP/1.1 302 Found\r\nLocation: ").append(behaviour_.redirect).append("\r\n");
    body.clear();
  } else if (path != behaviour_.path) {
    head = "HTTP/1.1 404 Not Found\r\n", body = "nothing here";
  } else if (first > 0 && first >= body.size()) {
    head = "HTTP/1.1 416 Range Not Satisfiable\r\n", body.clear();
  } else if (first > 0) {
    head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ";
    head.append(std::to_string(first)).append("-").append(std::to_string(body.size() - 1)).append("/");
    head.append(std::to_string(body.size())).append("\r\n");
    body.erase(0, first);
  }
  head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\nConnection: close\r\n\r\n");
  body.resize(std::min(body.size(), behaviour_.cut_after));
  std::string answer = head.append(body);
  constexpr size_t kPiece = 65536;
  for (size_t at = 0; at < answer.size() && !stop_; at += kPiece) {
    const size_t n = std::min(kPiece, answer.size() - at);
    if (::send(client, answer.data() + at, n, MSG_NOSIGNAL) < static_cast<ssize_t>(n)) return;
    if (behaviour_.delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(behaviour_.delay_ms));
  }
}

}  // namespace gpen::test
