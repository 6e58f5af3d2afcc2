#include "app/serve/answer.h"

namespace gpen::serve {

ApiError ApiError::of(const Status& status) {
  switch (status.code()) {
    case Code::ok:
      return {};
    case Code::usage:
      return usage(status.message());
    case Code::model:
      return {500, "model", status.message()};
    case Code::io:
      return {500, "io", status.message()};
    case Code::device:
      return {500, "device", status.message()};
    case Code::memory:
      return {503, "memory", status.message()};
    case Code::cancelled:
      return cancelled(status.message());
    case Code::internal:
      break;
  }
  return {500, "internal", status.message()};
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json to_json(const ApiError& error) { return {{"code", error.code}, {"message", error.message}}; }

void answer(httplib::Response& response, int http, const Json& json) {
  response.status = http;
  response.set_content(text_of(json), "application/json");
}

void answer(httplib::Response& response, const ApiError& error) {
  answer(response, error.http, {{"error", to_json(error)}});
  if (error.http == 503) response.set_header("Retry-After", "2");
  if (error.http == 401) response.set_header("WWW-Authenticate", "Bearer");
}

}  // namespace gpen::serve
