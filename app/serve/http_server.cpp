#include "app/serve/http_server.h"

#include <poll.h>

#include <cerrno>
#include <charconv>
#include <system_error>
#include <thread>

#include "app/serve/connection.h"

namespace gpen::serve {
namespace {

thread_local RequestContext context;
thread_local bool refuse_this_connection = false;

// How many connections the system keeps for us to accept; the library asks for 5, and what does not fit in there comes
// back after a second.
constexpr int kBacklog = 1024;

bool starts_with(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

// What the library must not see: it would unpack, cut or compress without a bound.
void take_over(httplib::Request* request) {
  request->ranges.clear();
  request->headers.erase("Range");
  request->headers.erase("Accept-Encoding");
  const std::string type = request->get_header_value("Content-Type");
  if (starts_with(type, "multipart/")) {
    context.multipart_type = type;
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

// The library's queue of connections: every one gets a thread, and one too many is refused on the spot. A thread's end
// gives its stack back.
class HttpServer::Threads : public httplib::TaskQueue {
 public:
  explicit Threads(HttpServer* server) : server_(server) {}

  void enqueue(std::function<void()> serve) override {
    {
      const std::lock_guard lock(mutex_);
      if (server_->open_ >= server_->limits_.connections) {
        refuse(serve);
        return;
      }
      ++server_->open_;
    }
    try {
      std::thread([this, serve] {
        serve();
        const std::lock_guard lock(mutex_);
        --server_->open_;
        all_closed_.notify_all();
      }).detach();
    } catch (const std::system_error&) {  // the system has no more threads
      const std::lock_guard lock(mutex_);
      --server_->open_;
      refuse(serve);
    }
  }

  void shutdown() override {
    server_->close_connections();
    std::unique_lock lock(mutex_);
    all_closed_.wait(lock, [&] { return server_->open_ == 0; });
  }

 private:
  static void refuse(const std::function<void()>& serve) {
    refuse_this_connection = true;
    serve();
    refuse_this_connection = false;
  }

  HttpServer* server_;
  std::mutex mutex_;
  std::condition_variable all_closed_;
};

HttpServer::HttpServer(const HttpLimits& limits, ByteBudget* uploads) : limits_(limits), uploads_(uploads) {
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
  if (bound > 0) ::listen(listener_, kBacklog);
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
  for (int i = 0; i < limits_.requests_per_connection && stream.wait_for_request(); ++i) {
    if (!serve_request(&stream)) break;
  }
  stream.linger();
}

bool HttpServer::serve_request(ConnectionStream* stream) {
  context = RequestContext();
  context.socket = stream->socket();
  context.body = ByteBudget::Lease(uploads_);
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
  context = RequestContext();
  return more;
}

}  // namespace gpen::serve
