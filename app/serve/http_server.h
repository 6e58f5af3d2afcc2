// cpp-httplib's server with connections of our own: bounded in number, in bytes and in time, whatever a client sends.
//
// The library parses requests and writes responses; what lies below is ours, because its own sockets read header lines
// of any length, wait for as long as a byte comes now and then, and queue connections without a bound:
//  - one thread for each connection, at most HttpLimits::connections; one more is answered 503 and closed at once
//  - head and body have limits in bytes and in time, and all bodies together have a budget
//  - answers that wait for their readers have a budget, too, and a reader must keep up a rate
//  - a request that is refused by its head (method, path, length, key) is answered without reading its body
//  - multipart bodies reach the handler as they are (see multipart_type()): the library's parser copies every part
//  - so do bodies of the type that curl names when it is told nothing else: the library reads no more than 8 KiB of it
//  - ranges and compression are off: one small request could ask for gigabytes of answer
#pragma once
#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "app/serve/byte_budget.h"

namespace gpen::serve {

struct HttpLimits {
  int connections = 256;
  size_t head_bytes = size_t{32} << 10;  // request line and headers
  size_t header_bytes = 8 << 10;         // each of them; the library's own limit, which it does not name
  size_t path_bytes = 512;
  size_t body_bytes = size_t{64} << 20;
  double head_seconds = 10;   // for a whole request line with its headers
  double body_seconds = 120;  // for a whole body
  double stall_seconds = 15;  // without a single byte, in either direction
  double idle_seconds = 15;   // between the requests of a connection
  // For an answer: a client may make us wait for so long, and for as long as what it has taken needs at this rate.
  double send_seconds = 30;
  double send_rate = 128 << 10;  // bytes per second
  int requests_per_connection = 1000;
};

// Of the request that the calling thread answers: what httplib::Request has no place for.
struct RequestContext {
  int socket = -1;
  std::string multipart_type;  // the Content-Type of a multipart body; empty: it is none
  bool urlencoded = false;     // the Content-Type was that of a form's fields in one text
  size_t announced = 0;        // Content-Length
  ByteBudget::Lease body;      // the bytes of the body; moved on by whoever keeps the body
  ByteBudget::Lease answer;    // the bytes of a large answer until it is sent
  // Why head or body was not read whole.
  enum class Refusal { none, head_too_large, body_too_large, busy, too_slow } refusal = Refusal::none;
  bool close = false;  // after the answer: the rest of what the client sends is not understood
};
RequestContext& request_context();
// Whether the client of this request has hung up, or has closed its sending direction: the two cannot be told apart
// before something is sent, and a job that nobody waits for would cost more than a client that closes early.
bool client_left(const RequestContext& context);

class ConnectionStream;

class HttpServer : public httplib::Server {
 public:
  // Both budgets must outlive the server.
  HttpServer(const HttpLimits& limits, ByteBudget* uploads, ByteBudget* answers);
  ~HttpServer() override;

  // Binds and listens; port 0: any. The port, or -1 with errno set.
  int bind(const std::string& host, int port);
  // Whether only this machine can reach what bind() was given, however it was written.
  bool on_loopback() const { return on_loopback_; }
  // Answers requests until stop(); returns when every connection is closed.
  void run() { listen_after_bind(); }
  // Ends idle connections and asks the others to end after their answer.
  void close_connections() { closing_ = true; }
  bool closing() const { return closing_; }

  int connections() const { return open_; }
  int64_t refused_connections() const { return refused_; }
  const HttpLimits& limits() const { return limits_; }
  const ByteBudget& answers() const { return *answers_; }

 private:
  class Threads;
  bool process_and_close_socket(socket_t sock) override;  // of httplib::Server, called for every connection
  void serve_connection(int sock);
  // False: the connection ends; unread: and the client may still be sending.
  bool serve_request(ConnectionStream* stream, bool* unread);
  void refuse_connection(int sock);

  const HttpLimits limits_;
  ByteBudget *const uploads_, *const answers_;
  bool on_loopback_ = false;
  std::atomic<bool> closing_{false};
  std::atomic<int> open_{0};
  std::atomic<int64_t> refused_{0};
  int listener_ = -1;
};

}  // namespace gpen::serve
