// What the server says: errors as JSON with the fitting HTTP status, JSON, and bytes.
#pragma once
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/status.h"

namespace gpen::serve {

using Json = nlohmann::ordered_json;

// An error for a client: a word for programs, a sentence for people, and an HTTP status.
struct ApiError {
  int http = 0;  // 0: none
  std::string code, message;
  explicit operator bool() const { return http != 0; }

  static ApiError usage(std::string message) { return {400, "usage", std::move(message)}; }
  static ApiError unauthorized(std::string message) { return {401, "unauthorized", std::move(message)}; }
  static ApiError forbidden(std::string message) { return {403, "forbidden", std::move(message)}; }
  static ApiError not_found(std::string message) { return {404, "not_found", std::move(message)}; }
  static ApiError too_large(std::string message) { return {413, "too_large", std::move(message)}; }
  static ApiError unsupported(std::string message) { return {415, "unsupported", std::move(message)}; }
  static ApiError busy(std::string message) { return {503, "busy", std::move(message)}; }
  static ApiError timeout(std::string message) { return {504, "timeout", std::move(message)}; }
  static ApiError cancelled(std::string message) { return {409, "cancelled", std::move(message)}; }
  // An error of the libraries, by its code.
  static ApiError of(const Status& status);
};

Json to_json(const ApiError& error);  // {"code", "message"}

void answer(httplib::Response& response, int http, const Json& json);
// {"error": {...}}; busy errors carry Retry-After.
void answer(httplib::Response& response, const ApiError& error);

// JSON as text; bytes that are not UTF-8 are replaced.
std::string text_of(const Json& json);

}  // namespace gpen::serve
