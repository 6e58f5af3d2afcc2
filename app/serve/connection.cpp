#include "app/serve/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace gpen::serve {
namespace {

double seconds_until(Clock::time_point t) { return std::chrono::duration<double>(t - Clock::now()).count(); }

void address_of(int (*get)(int, sockaddr*, socklen_t*), int sock, std::string* ip, int* port) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  char host[NI_MAXHOST], service[NI_MAXSERV];
  if (get(sock, reinterpret_cast<sockaddr*>(&address), &length) != 0) return;
  if (getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof(host), service, sizeof(service),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  *ip = host;
  *port = std::atoi(service);
}

}  // namespace

std::string local_address(int sock) {
  std::string ip;
  int port = 0;
  address_of(::getsockname, sock, &ip, &port);
  return ip;
}

bool ConnectionStream::wait(bool to_read, double seconds) const {
  const Clock::time_point end = after(seconds);
  for (;;) {
    pollfd p{sock_, static_cast<short>(to_read ? POLLIN : POLLOUT), 0};
    const int ms = static_cast<int>(std::max(0.0, seconds_until(end)) * 1000 + 0.999);
    const int n = ::poll(&p, 1, ms);
    if (n < 0 && errno == EINTR) continue;
    return n > 0;
  }
}

bool ConnectionStream::hung_up() const {
  pollfd p{sock_, 0, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

bool ConnectionStream::wait_for_request() {
  const Clock::time_point end = after(limits_.idle_seconds);
  while (begin_ == end_ && !stop_ && seconds_until(end) > 0) {
    if (!wait(true, std::min(0.2, seconds_until(end)))) continue;
    return fill();
  }
  return begin_ < end_;
}

void ConnectionStream::begin_head() {
  part_ = Part::head;
  left_ = limits_.head_bytes;
  deadline_ = after(limits_.head_seconds);
  sent_ = waited_ = 0;
  line_ = lines_ = 0;
}

void ConnectionStream::begin_body() {
  part_ = Part::body;
  left_ = limits_.body_bytes + (limits_.body_bytes >> 4) + 4096;  // a chunked body has a little around its chunks
  deadline_ = after(limits_.body_seconds);
}

bool ConnectionStream::fill() {
  for (;;) {
    const ssize_t n = ::recv(sock_, buffer_, sizeof(buffer_), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    begin_ = 0;
    end_ = static_cast<size_t>(n);
    return true;
  }
}

bool ConnectionStream::header_too_long(const char* bytes, size_t size) {
  bool too_long = false;
  for (size_t i = 0; i < size; ++i) {
    too_long = too_long || (++line_ > limits_.header_bytes && lines_ > 0);
    if (bytes[i] != '\n') continue;
    line_ = 0;
    ++lines_;
  }
  return too_long;
}

// -1 ends the request: the client is gone, too slow, or sends more than it may.
ssize_t ConnectionStream::read(char* to, size_t size) {
  RequestContext& context = request_context();
  const auto refuse = [&](RequestContext::Refusal why) -> ssize_t {
    context.refusal = why;
    context.close = true;
    return -1;
  };
  if (begin_ == end_) {
    const double left = seconds_until(deadline_);
    if (left <= 0 || !wait(true, std::min(left, limits_.stall_seconds)))
      return refuse(RequestContext::Refusal::too_slow);
    if (!fill()) {
      context.close = true;
      return -1;
    }
  }
  const size_t n = std::min(size, end_ - begin_);
  if (part_ == Part::head && (n > left_ || header_too_long(buffer_ + begin_, n)))
    return refuse(RequestContext::Refusal::head_too_large);
  if (n > left_) return refuse(RequestContext::Refusal::body_too_large);
  left_ -= n;
  if (part_ == Part::body && !context.body.grow(n)) return refuse(RequestContext::Refusal::busy);
  std::copy_n(buffer_ + begin_, n, to);
  begin_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t ConnectionStream::write(const char* from, size_t size) {
  for (;;) {
    const ssize_t n = ::send(sock_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent_ += static_cast<double>(n);
      return n;
    }
    if (errno == EINTR) continue;
    if ((errno == EAGAIN || errno == EWOULDBLOCK) && wait_for_reader()) continue;
    request_context().close = true;
    return -1;
  }
}

bool ConnectionStream::wait_for_reader() {
  const double left = limits_.send_seconds + sent_ / limits_.send_rate - waited_;
  const Clock::time_point start = Clock::now();
  const bool took = left > 0 && wait(false, std::min(left, limits_.stall_seconds));
  waited_ -= seconds_until(start);
  return took;
}

void ConnectionStream::linger() {
  constexpr double kSeconds = 5;
  const Clock::time_point end = after(kSeconds);
  while (!stop_ && seconds_until(end) > 0) {
    if (wait(true, std::min(0.2, std::max(0.0, seconds_until(end)))) && !fill()) return;
  }
}

void ConnectionStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  address_of(::getpeername, sock_, &ip, &port);
}
void ConnectionStream::get_local_ip_and_port(std::string& ip, int& port) const {
  address_of(::getsockname, sock_, &ip, &port);
}

}  // namespace gpen::serve
