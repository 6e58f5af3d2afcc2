// Errors as values. Every library call that can fail returns Status or Result<T>; nothing in the libraries exits,
// aborts or throws across a room's border (std::bad_alloc excepted: the application maps it to exit code 6).
#pragma once
#include <new>
#include <sstream>
#include <string>
#include <utility>
#include <variant>

namespace gpen {

// The application maps these to its exit codes (app/exit_codes.h).
enum class Code { ok, usage, model, io, device, memory, cancelled, internal };

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // "photo.png: not a PNG file": put what was being worked on in front of the reason.
  Status in(const std::string& context) && {
    if (!ok()) message_ = context + ": " + message_;
    return std::move(*this);
  }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

// Joins its arguments with operator<<, e.g. fail(Code::model, "bias has ", 64, " entries, x has ", 128, " channels").
template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  if (!out) throw std::bad_alloc();  // a stream keeps it to itself, and the text is cut off: names are made of it too
  return out.str();
}
template <class... Args>
Status fail(Code code, const Args&... args) {
  return Status(code, concat(args...));
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Status status) : state_(std::move(status)) {}
  bool ok() const { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace gpen

#define GPEN_JOIN2(a, b) a##b
#define GPEN_JOIN(a, b) GPEN_JOIN2(a, b)
// GPEN_RETURN_IF_ERROR(expr): leaves the function with the error of a Status expression.
#define GPEN_RETURN_IF_ERROR(expr)               \
  do {                                           \
    ::gpen::Status gpen_status_ = (expr);        \
    if (!gpen_status_.ok()) return gpen_status_; \
  } while (0)
// GPEN_ASSIGN(auto x, expr): x = value of a Result expression, or leaves the function with its error.
#define GPEN_ASSIGN(decl, expr) GPEN_ASSIGN_IMPL(GPEN_JOIN(gpen_result_, __LINE__), decl, expr)
#define GPEN_ASSIGN_IMPL(tmp, decl, expr) \
  auto tmp = (expr);                      \
  if (!tmp.ok()) return tmp.status();     \
  decl = std::move(tmp).value()
