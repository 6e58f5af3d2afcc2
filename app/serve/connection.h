// One connection's bytes, with limits on their number and on the time they take.
#pragma once
#include "app/serve/clock.h"
#include "app/serve/http_server.h"

namespace gpen::serve {

// The numeric address that a socket is bound to; empty when it is none.
std::string local_address(int sock);

class ConnectionStream : public httplib::Stream {
 public:
  // stop: ends waiting for the next request. All of them must outlive the stream.
  ConnectionStream(int sock, const HttpLimits& limits, const std::atomic<bool>& stop)
      : sock_(sock), limits_(limits), stop_(stop) {}

  // Waits for the first byte of a request; false when none comes (closed, idle, stopped).
  bool wait_for_request();
  // Before every request, and when its head has been read.
  void begin_head();
  void begin_body();
  // Reads and drops what a client still sends, for some seconds: closing with unread bytes would reset the connection,
  // and the client would not see the answer.
  void linger();

  bool is_readable() const override { return begin_ < end_ || wait(true, 0); }
  bool is_writable() const override { return wait(false, limits_.stall_seconds) && !hung_up(); }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return sock_; }

 private:
  enum class Part { head, body };
  bool wait(bool to_read, double seconds) const;
  bool hung_up() const;
  bool fill();
  // Whether a header is longer than it may be; the request line has a limit of the library's, and an answer of its own.
  bool header_too_long(const char* bytes, size_t size);
  // Waits until the client takes more; false: it is too slow.
  bool wait_for_reader();

  const int sock_;
  const HttpLimits& limits_;
  const std::atomic<bool>& stop_;
  Part part_ = Part::head;
  Clock::time_point deadline_;
  size_t left_ = 0;               // bytes that this part may still have
  size_t line_ = 0, lines_ = 0;   // of a head: bytes of the present line, lines before it
  double sent_ = 0, waited_ = 0;  // bytes of this request's answer, and seconds in which the client took none
  char buffer_[16384];
  size_t begin_ = 0, end_ = 0;
};

}  // namespace gpen::serve
