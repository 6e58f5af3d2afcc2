#include "app/serve/api.h"

#include <algorithm>
#include <charconv>

#include "app/picture_input.h"
#include "app/serve/access.h"

namespace gpen::serve {
namespace {

// Of such answers every connection may hold one.
constexpr size_t kSmallAnswer = size_t{256} << 10;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at <= path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool matches(const std::string& pattern, const std::string& path, std::vector<std::string>* arguments) {
  const std::vector<std::string> wanted = split(pattern), have = split(path);
  if (wanted.size() != have.size()) return false;
  arguments->clear();
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].empty() && wanted[i].front() == '{') {
      if (have[i].empty()) return false;
      arguments->push_back(have[i]);
    } else if (wanted[i] != have[i]) {
      return false;
    }
  }
  return true;
}

std::string method_of(const httplib::Request& request) { return request.method == "HEAD" ? "GET" : request.method; }

const Api::Route* find_route(const httplib::Request& request, std::vector<std::string>* arguments) {
  for (const Api::Route& route : Api::routes()) {
    if (route.method == method_of(request) && matches(route.path, request.path, arguments)) return &route;
  }
  return nullptr;
}

std::string methods_of(const std::string& path) {
  std::string methods;
  std::vector<std::string> ignored;
  for (const Api::Route& route : Api::routes()) {
    if (matches(route.path, path, &ignored)) methods += (methods.empty() ? "" : ", ") + route.method;
  }
  return methods;
}

// How the body comes: its length must be said once, in digits, or it comes in chunks.
ApiError check_framing(const httplib::Request& request, bool needs_body) {
  const size_t lengths = request.get_header_value_count("Content-Length");
  const bool chunked = request.has_header("Transfer-Encoding");
  if (lengths + request.get_header_value_count("Transfer-Encoding") > 1)
    return ApiError::usage("the request states the length of its body twice");
  if (chunked && request.get_header_value("Transfer-Encoding") != "chunked")
    return ApiError::unsupported("of the transfer encodings only chunked is understood");
  if (lengths == 1) {
    const std::string text = request.get_header_value("Content-Length");
    if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
      return ApiError::usage("Content-Length is not a number");
  }
  if (request.has_header("Content-Encoding") && request.get_header_value("Content-Encoding") != "identity")
    return ApiError::unsupported("compressed bodies are not accepted (Content-Encoding)");
  if (needs_body && lengths == 0 && !chunked) return {411, "usage", "the request has no Content-Length"};
  return {};
}

bool states_length(const httplib::Request& request) {
  return request.has_header("Transfer-Encoding") || request.has_header("Content-Length");
}

bool has_body(const httplib::Request& request) {
  return request.has_header("Transfer-Encoding") ||
         (request.has_header("Content-Length") && request.get_header_value("Content-Length") != "0");
}

}  // namespace

const std::vector<Api::Route>& Api::routes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> routes;
    page_routes(&routes);
    restore_routes(&routes);
    job_routes(&routes);
    sdapi_routes(&routes);
    return routes;
  }();
  return all;
}

Api::Api(const Menu& menu, const ServeOptions& options, JobQueue* queue, Metrics* metrics, HttpServer* server,
         const ByteBudget* uploads)
    : menu_(menu), options_(options), queue_(queue), metrics_(metrics), server_(server), uploads_(uploads) {}

void Api::install() {
  server_->set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) { return before(request, response); });
  // The library has read the body when it comes here. It hands its own request, which nobody needs afterwards: the
  // body is moved out of it.
  server_->Post(".*", [this](const httplib::Request& request, httplib::Response& response) {
    dispatch(const_cast<httplib::Request&>(request), response);
  });
  server_->set_expect_100_continue_handler([this](const httplib::Request& request, httplib::Response& response) {
    std::vector<std::string> arguments;
    const Route* route =
        request.path.size() <= server_->limits().path_bytes ? find_route(request, &arguments) : nullptr;
    const ApiError error = route == nullptr ? ApiError::not_found("there is nothing here") : admit(request, *route);
    if (!error) return 100;
    request_context().close = true;
    answer(response, error);
    return error.http;
  });
  server_->set_error_handler([this](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty() || response.content_provider_) return;
    request_context().close = true;  // the library stopped reading somewhere
    switch (request_context().refusal) {
      case RequestContext::Refusal::head_too_large:
        return answer(response, {431, "too_large",
                                 concat("the headers are larger than the limits of ", server_->limits().header_bytes,
                                        " bytes for each and ", server_->limits().head_bytes, " for all")});
      case RequestContext::Refusal::body_too_large:
        return answer(response, ApiError::too_large(concat("the request is larger than the limit of ",
                                                           server_->limits().body_bytes, " bytes")));
      case RequestContext::Refusal::busy:
        return answer(response, ApiError::busy("too many uploads at once"));
      case RequestContext::Refusal::too_slow:
        return answer(response, {408, "timeout", "the request came too slowly"});
      case RequestContext::Refusal::none:
        break;
    }
    if (response.status == 404) return answer(response, ApiError::not_found("there is nothing here"));
    if (response.status == 414) return answer(response, {414, "too_large", "the address is too long"});
    if (response.status == 413) return answer(response, ApiError::too_large("the request is too large"));
    if (response.status >= 500) return answer(response, {response.status, "internal", "an error of the server"});
    answer(response, {response.status, "usage", "the request is malformed"});
  });
  server_->set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, const std::exception_ptr& thrown) {
        request_context().close = true;
        try {
          std::rethrow_exception(thrown);
        } catch (const std::bad_alloc&) {
          answer(response, {503, "memory", "out of memory"});
        } catch (const std::exception& e) {
          answer(response, {500, "internal", e.what()});
        }
      });
  server_->set_post_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) { finish(request, response); });
}

// Everything that can be said before the body is read.
ApiError Api::admit(const httplib::Request& request, const Route& route) const {
  if (route.access == keyed) {
    if (ApiError e = check_access(request, options_, server_->on_loopback())) return e;
  }
  if (ApiError e = check_framing(request, request.method == "POST" && !route.optional_body)) return e;
  if (request_context().announced > options_.max_body)
    return ApiError::too_large(
        concat("the request has ", request_context().announced, " bytes, the limit is ", options_.max_body));
  if (!route.queues) return {};
  if (stopping_) return ApiError::busy("the server is shutting down");
  if (!queue_->ready()) return ApiError::busy("the server is still loading its networks");
  if (server_->answers().used() > server_->answers().limit() / 2)  // the largest one would not find room
    return ApiError::busy("too many answers wait for their clients to read them");
  return queue_->full();
}

Api::Handled Api::before(const httplib::Request& request, httplib::Response& response) {
  std::vector<std::string> arguments;
  const bool too_long = request.path.size() > server_->limits().path_bytes;
  const Route* route = too_long ? nullptr : find_route(request, &arguments);
  ApiError error;
  if (too_long) {
    error = {414, "too_large", "the path is too long"};
  } else if (route == nullptr && request.method == "OPTIONS" && !options_.cors.empty()) {
    response.status = 204;
    response.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE");
    response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key");
    response.set_header("Access-Control-Max-Age", "600");
    return Handled::Handled;
  } else if (route == nullptr) {
    const std::string methods = methods_of(request.path);
    error = methods.empty() ? ApiError::not_found("there is nothing here")
                            : ApiError{405, "usage", request.method + " is not possible here, but " + methods};
    if (!methods.empty()) response.set_header("Allow", methods);
  } else {
    error = admit(request, *route);
  }
  if (error) {
    if (has_body(request)) request_context().close = true;  // it stays unread
    answer(response, error);
    return Handled::Handled;
  }
  auto& own = const_cast<httplib::Request&>(request);
  if (request.method == "POST" && states_length(request)) {  // the library would read what does not until the end
    own.body.reserve(std::min(request_context().announced, options_.max_body));
    return Handled::Unhandled;
  }
  if (has_body(request)) request_context().close = true;
  dispatch(own, response);
  return Handled::Handled;
}

void Api::dispatch(httplib::Request& request, httplib::Response& response) {
  Call call{request, response, {}};
  const Route* route = find_route(request, &call.arguments);
  if (route == nullptr) return answer(response, ApiError::not_found("there is nothing here"));
  route->handler(*this, call);
  if (const ApiError e = hold_answer(response.body.size())) {
    response.headers.clear();
    answer(response, e);
  }
}

ApiError Api::hold_answer(size_t bytes) {
  ByteBudget::Lease& held = request_context().answer;
  if (bytes <= kSmallAnswer || bytes <= held.bytes() || held.grow(bytes - held.bytes())) return {};
  return ApiError::busy("too many answers wait for their clients to read them");
}

// The last look at every answer.
void Api::finish(const httplib::Request& request, httplib::Response& response) {
  response.headers.erase("Keep-Alive");
  response.headers.erase("Accept-Ranges");  // the library promises them for HEAD
  if (request_context().close) response.set_header("Connection", "close");
  response.set_header("X-Content-Type-Options", "nosniff");
  if (!response.has_header("Cache-Control")) response.set_header("Cache-Control", "no-store");
  if (!options_.cors.empty()) {
    response.set_header("Access-Control-Allow-Origin", options_.cors);
    response.set_header("Access-Control-Expose-Headers", "X-Gpen-Job, X-Gpen-Faces, Location, Retry-After");
  }
  std::vector<std::string> ignored;
  const bool sane = request.path.size() <= server_->limits().path_bytes;
  const Route* route = sane ? find_route(request, &ignored) : nullptr;
  metrics_->count_request(route == nullptr ? "other" : route->path, response.status);
}

int Api::health_status() const { return !stopping_ && queue_->ready() ? 200 : 503; }

Json Api::health() const {
  const JobQueue::Counts counts = queue_->counts();
  return {{"status", stopping_         ? "stopping"
                     : queue_->ready() ? "ok"
                                       : "loading"},
          {"version", GPEN_VERSION},
          {"queued", counts.queued},
          {"running", counts.running},
          {"uptime_seconds", seconds_between(started_, Clock::now())}};
}

Json Api::models() const {
  Json json = to_json(menu_);
  for (Json& device : json["devices"]) {
    const Status status = queue_->failure(device["name"]);
    if (!status.ok()) device["error"] = status.message();
  }
  json["limits"] = {{"body_bytes", options_.max_body},
                    {"pixels", options_.max_pixels},
                    {"queue", options_.queue},
                    {"timeout_seconds", options_.timeout}};
  json["version"] = GPEN_VERSION;
  if (const Result<app::Example> example = app::bundled_example(); example.ok())
    json["example"] = {
        {"image", "/example.jpg"}, {"faces", "/example.faces.json"}, {"name", example->picture.filename().string()}};
  return json;
}

std::string Api::metrics_text() const {
  const JobQueue::Counts counts = queue_->counts();
  std::vector<Metrics::Gauge> gauges = {
      {"gpen_ready", "1 when requests are taken.", "", health_status() == 200 ? 1.0 : 0.0},
      {"gpen_queue_jobs", "Jobs that wait.", "", double(counts.queued)},
      {"gpen_queue_limit", "Jobs that may wait.", "", double(options_.queue)},
      {"gpen_running_jobs", "Jobs that run.", "", double(counts.running)},
      {"gpen_kept_results", "Finished jobs that are kept.", "", double(counts.kept)},
      {"gpen_kept_result_bytes", "Bytes of their pictures.", "", double(counts.kept_bytes)},
      {"gpen_upload_bytes", "Bytes of uploads in memory.", "", double(uploads_->used())},
      {"gpen_answer_bytes", "Bytes of large answers that are not sent yet.", "", double(server_->answers().used())},
      {"gpen_connections", "Open connections.", "", double(server_->connections())},
      {"gpen_connections_refused_total", "Connections refused.", "", double(server_->refused_connections()), true},
      {"process_resident_memory_bytes", "Resident memory.", "", resident_bytes()},
  };
  for (const DeviceWorker* worker : workers_)
    gauges.push_back({"gpen_loaded_networks", "Networks that are loaded.", "device=\"" + worker->device() + "\"",
                      double(worker->loaded_models())});
  for (const DeviceWorker* worker : workers_)
    gauges.push_back({"gpen_loaded_network_bytes", "Bytes of their weights.", "device=\"" + worker->device() + "\"",
                      double(worker->loaded_bytes())});
  return metrics_->text(gauges);
}

ApiError Api::run(JobRequest request, JobQueue::JobPtr* job) {
  const int sock = request_context().socket;
  if (ApiError e = queue_->submit(std::move(request), job)) return e;
  uint64_t seen = 0;
  while (!queue_->ended(*job)) {
    seen = queue_->wait_for_change(*job, seen, 0.25);
    RequestContext context;
    context.socket = sock;
    if (!queue_->ended(*job) && client_left(context)) {
      request_context().close = true;
      queue_->cancel(*job, ApiError::cancelled("the client has gone"));
    }
  }
  return queue_->error(*job);
}

ApiError Api::encode(const Image& image, ImageFormat format, int quality, std::string* bytes) {
  const HeavyWork one_of_few(*this);
  const Result<std::vector<uint8_t>> encoded = encode_image(image, format, {quality});
  if (!encoded.ok()) return ApiError::of(encoded.status());
  bytes->assign(encoded->begin(), encoded->end());
  return {};
}

}  // namespace gpen::serve
