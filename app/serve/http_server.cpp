#include "app/serve/http_server.h"

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <deque>
#include <string_view>
#include <system_error>
#include <thread>

#include "app/serve/access.h"
#include "app/serve/connection.h"

namespace gpen::serve {
namespace {

thread_local RequestContext context;
thread_local bool refuse_this_connection = false;

// How many connections the system keeps for us to accept; the library asks for 5, and what does not fit in there comes
// back after a second.
constexpr int kBacklog = 1024;

bool starts_with(const std::string& text, std::string_view start) {
  return text.size() >= start.size() && std::equal(start.begin(), start.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

// What the library must not see: it would unpack, cut or compress without a bound.
void take_over(httplib::Request* request) {
  request->ranges.clear();
  request->headers.erase("Range");
  request->headers.erase("Accept-Encoding");
  const std::string type = request->get_header_value("Content-Type");
  if (starts_with(type, "multipart/")) {
    context.multipart_type = type;
    request->headers.erase("Content-Type");
  } else if (starts_with(type, "application/x-www-form-urlencoded")) {
    context.urlencoded = true;
    request->headers.erase("Content-Type");
  }
  size_t length = 0;
  const std::string text = request->get_header_value("Content-Length");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error == std::errc() && length <= (size_t{1} << 40)) context.announced = length;
}

}  // namespace

RequestContext& request_context() { return context; }

bool client_left(const RequestContext& c) {
  pollfd p{c.socket, POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

// The library's queue of connections: every one gets a thread, and one too many is refused on the spot. Threads wait
// for the next connection; when there are many, the others end with theirs and give their stacks back.
class HttpServer::Threads : public httplib::TaskQueue {
 public:
  explicit Threads(HttpServer* server) : server_(server) {}

  void enqueue(std::function<void()> serve) override {
    std::unique_lock lock(mutex_);
    if (server_->open_ >= server_->limits_.connections) {
      lock.unlock();
      return refuse(serve);
    }
    ++server_->open_;
    if (idle_ > waiting_.size()) {
      waiting_.push_back(std::move(serve));
      wake_.notify_one();
      return;
    }
    ++threads_;
    lock.unlock();
    try {
      std::thread([this, serve] { work(serve); }).detach();
    } catch (const std::system_error&) {  // the system has no more threads
      lock.lock();
      --threads_;
      --server_->open_;
      lock.unlock();
      refuse(serve);
    }
  }

  void shutdown() override {
    server_->close_connections();
    std::unique_lock lock(mutex_);
    stop_ = true;
    wake_.notify_all();
    ended_.wait(lock, [&] { return threads_ == 0; });
  }

 private:
  // On a busy machine a new thread waits for its turn behind all others; one that slept does not.
  static constexpr size_t kMostIdle = 96;

  void work(std::function<void()> serve) {
    std::unique_lock lock(mutex_, std::defer_lock);
    for (;;) {
      serve();
      serve = nullptr;
      lock.lock();
      --server_->open_;
      if (waiting_.empty() && (stop_ || idle_ >= kMostIdle)) break;
      ++idle_;
      wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) break;
      serve = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
    }
    --threads_;
    ended_.notify_all();
  }

  static void refuse(const std::function<void()>& serve) {
    refuse_this_connection = true;
    serve();
    refuse_this_connection = false;
  }

  HttpServer* server_;
  std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<std::function<void()>> waiting_;  // for one of the idle threads
  size_t idle_ = 0, threads_ = 0;
  bool stop_ = false;
};

HttpServer::HttpServer(const HttpLimits& limits, ByteBudget* uploads, ByteBudget* answers)
    : limits_(limits), uploads_(uploads), answers_(answers) {
  set_payload_max_length(limits.body_bytes);
  set_keep_alive_timeout(static_cast<time_t>(limits.idle_seconds));
  set_socket_options([this](socket_t sock) {
    const int yes = 1;
    ::setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    listener_ = sock;
  });
  new_task_queue = [this] { return new Threads(this); };
}

HttpServer::~HttpServer() = default;

int HttpServer::bind(const std::string& host, int port) {
  errno = 0;
  const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
  if (bound <= 0) return bound;
  ::listen(listener_, kBacklog);
  on_loopback_ = is_loopback(local_address(listener_));
  return bound;
}

bool HttpServer::process_and_close_socket(socket_t sock) {
  if (refuse_this_connection)
    refuse_connection(sock);
  else
    serve_connection(sock);
  ::close(sock);
  return true;
}

void HttpServer::refuse_connection(int sock) {
  static const std::string kBody = R"({"error":{"code":"busy","message":"too many connections are open"}})";
  static const std::string kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(kBody.size()) + "\r\n\r\n" + kBody;
  ++refused_;
  ::send(sock, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(sock, SHUT_WR);
  char unread[4096];  // closing with unread bytes would reset the connection before the answer is seen
  while (::recv(sock, unread, sizeof(unread), MSG_DONTWAIT) > 0) {
  }
}

void HttpServer::serve_connection(int sock) {
  const int yes = 1;
  ::setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  ConnectionStream stream(sock, limits_, closing_);
  bool more = true, unread = false;
  for (int i = 0; more && i < limits_.requests_per_connection && stream.wait_for_request(); ++i)
    more = serve_request(&stream, &unread);
  ::shutdown(sock, SHUT_WR);
  if (unread) stream.linger();
}

bool HttpServer::serve_request(ConnectionStream* stream, bool* unread) {
  context = RequestContext();
  context.socket = stream->socket();
  context.body = ByteBudget::Lease(uploads_);
  context.answer = ByteBudget::Lease(answers_);
  bool client_closes = false, answered = false;
  stream->begin_head();
  try {
    answered = process_request(*stream, closing_, client_closes, [&](httplib::Request& request) {
      take_over(&request);
      stream->begin_body();
    });
  } catch (const std::exception&) {  // no memory left for the head: there is nothing to answer with
  }
  const bool more = answered && !client_closes && !context.close && !closing_;
  *unread = context.close;
  context = RequestContext();
  return more;
}

}  // namespace gpen::serve
