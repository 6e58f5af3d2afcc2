// The fields of a request: of its query, and of a multipart body (RFC 7578) without copying the file in it.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/serve/answer.h"

namespace gpen::serve {

// One part of a multipart body; content points into the body.
struct Part {
  std::string name, filename, type;
  std::string_view content;
};
constexpr size_t kMaxParts = 64, kMaxPartHead = 4096;

// type: the Content-Type, with its boundary. Usage errors say what is wrong with the body.
ApiError parse_multipart(const std::string& type, std::string_view body, std::vector<Part>* parts);

// The last part of what a client calls its file, printable, at most 200 bytes. Never used as a path.
std::string display_name(const std::string& filename);

// Options by name. Reading one removes it, so that what is left was not understood.
class Fields {
 public:
  // Usage error when there is one already.
  ApiError add(const std::string& name, std::string value);
  bool has(const std::string& name) const { return values_.count(name) > 0; }
  // Each reads an option if it is there, checks it, and removes it; the first error is kept.
  void number(const std::string& name, double low, double high, double* value);
  void integer(const std::string& name, int low, int high, int* value);
  void flag(const std::string& name, bool* value);  // 0, 1, true, false
  void text(const std::string& name, std::string* value);
  void fail(std::string message);
  // The first error, or one that names an option nobody read.
  ApiError finish() const;

 private:
  bool take(const std::string& name, std::string* value);
  std::map<std::string, std::string> values_;
  ApiError error_;
};

}  // namespace gpen::serve
