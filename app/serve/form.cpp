#include "app/serve/form.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace gpen::serve {
namespace {

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// The value of `; key=value` or `; key="value"` (with \" inside) in a header.
bool parameter(std::string_view header, std::string_view key, std::string* value) {
  size_t at = header.find(';');
  while (at != std::string_view::npos && at < header.size()) {
    size_t i = at + 1;
    const size_t equals = header.find('=', i);
    if (equals == std::string_view::npos) return false;
    const std::string_view name = trimmed(header.substr(i, equals - i));
    std::string text;
    i = equals + 1;
    while (i < header.size() && header[i] == ' ') ++i;
    if (i < header.size() && header[i] == '"') {
      for (++i; i < header.size() && header[i] != '"'; ++i) {
        if (header[i] == '\\' && i + 1 < header.size() && (header[i + 1] == '"' || header[i + 1] == '\\')) ++i;
        text += header[i];
      }
      if (i >= header.size()) return false;
      at = header.find(';', i);
    } else {
      at = header.find(';', i);
      text = trimmed(header.substr(i, at == std::string_view::npos ? at : at - i));
    }
    if (same_word(name, key)) {
      *value = text;
      return true;
    }
  }
  return false;
}

ApiError parse_part_head(std::string_view head, Part* part) {
  bool named = false;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(head.size(), end + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return ApiError::usage("multipart: a part's header has no colon");
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (same_word(name, "Content-Disposition")) {
      named =
          same_word(trimmed(value.substr(0, value.find(';'))), "form-data") && parameter(value, "name", &part->name);
      parameter(value, "filename", &part->filename);
    } else if (same_word(name, "Content-Type")) {
      part->type = value;
    } else if (same_word(name, "Content-Transfer-Encoding") && !same_word(value, "binary") &&
               !same_word(value, "8bit") && !same_word(value, "7bit")) {
      return ApiError::usage("multipart: parts must be sent as they are (Content-Transfer-Encoding: binary)");
    }
  }
  return named ? ApiError() : ApiError::usage("multipart: a part has no Content-Disposition: form-data; name=...");
}

}  // namespace

ApiError parse_multipart(const std::string& type, std::string_view body, std::vector<Part>* parts) {
  std::string boundary;
  if (!same_word(trimmed(std::string_view(type).substr(0, type.find(';'))), "multipart/form-data"))
    return ApiError::unsupported("of the multipart types only multipart/form-data is understood");
  if (!parameter(type, "boundary", &boundary) || boundary.empty() || boundary.size() > 70)
    return ApiError::usage("multipart: the Content-Type has no boundary of 1 to 70 characters");
  const std::string first = "--" + boundary, next = "\r\n--" + boundary;
  const ApiError cut_off = ApiError::usage("multipart: the body is cut off");
  size_t at = body.rfind(first, 0) == 0 ? first.size() : body.find(next);
  if (at == std::string_view::npos) return ApiError::usage("multipart: the boundary does not occur in the body");
  if (body.rfind(first, 0) != 0) at += next.size();
  for (;;) {
    if (body.substr(at, 2) == "--") return {};
    if (body.substr(at, 2) != "\r\n") return cut_off;
    at += 2;
    if (parts->size() == kMaxParts) return ApiError::usage(concat("multipart: more than ", kMaxParts, " parts"));
    Part part;
    size_t head = 0;  // a part may have no header at all
    if (body.substr(at, 2) != "\r\n") {
      head = body.substr(at, kMaxPartHead).find("\r\n\r\n");
      if (head == std::string_view::npos) return ApiError::usage("multipart: a part's header is cut off or too long");
      head += 2;
    }
    if (ApiError e = parse_part_head(body.substr(at, head), &part)) return e;
    at += head + 2;
    const size_t end = body.find(next, at);
    if (end == std::string_view::npos) return cut_off;
    part.content = body.substr(at, end - at);
    parts->push_back(std::move(part));
    at = end + next.size();
  }
}

std::string display_name(const std::string& filename) {
  const size_t slash = filename.find_last_of("/\\");
  std::string name = slash == std::string::npos ? filename : filename.substr(slash + 1);
  std::erase_if(name, [](unsigned char c) { return c < ' ' || c == 127; });
  constexpr size_t kMostBytes = 200;
  if (name.size() > kMostBytes) {
    size_t end = kMostBytes;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;  // within a character of UTF-8
    name.resize(end);
  }
  return name.empty() ? "image" : name;
}

ApiError Fields::add(const std::string& name, std::string value) {
  if (!values_.emplace(name, std::move(value)).second) return ApiError::usage("option " + name + " is given twice");
  return {};
}

void Fields::fail(std::string message) {
  if (!error_) error_ = ApiError::usage(std::move(message));
}

bool Fields::take(const std::string& name, std::string* value) {
  const auto found = values_.find(name);
  if (found == values_.end()) return false;
  *value = std::move(found->second);
  values_.erase(found);
  return true;
}

void Fields::number(const std::string& name, double low, double high, double* value) {
  std::string text;
  if (!take(name, &text)) return;
  double v = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, v);
  if (error != std::errc() || end != last || !std::isfinite(v))
    fail(concat("option ", name, ": '", text.substr(0, 40), "' is not a number"));
  else if (v < low || v > high)
    fail(concat("option ", name, ": ", v, " is not between ", low, " and ", high));
  else
    *value = v;
}

void Fields::integer(const std::string& name, int low, int high, int* value) {
  double v = *value;
  number(name, low, high, &v);
  if (v != std::floor(v)) fail(concat("option ", name, ": ", v, " is not a whole number"));
  *value = static_cast<int>(v);
}

void Fields::flag(const std::string& name, bool* value) {
  std::string text;
  if (!take(name, &text)) return;
  if (text == "1" || text == "true")
    *value = true;
  else if (text == "0" || text == "false")
    *value = false;
  else
    fail(concat("option ", name, ": '", text.substr(0, 40), "' is neither 0 nor 1"));
}

void Fields::text(const std::string& name, std::string* value) { take(name, value); }

ApiError Fields::finish() const {
  if (error_) return error_;
  if (!values_.empty()) return ApiError::usage("unknown option " + values_.begin()->first.substr(0, 100));
  return {};
}

}  // namespace gpen::serve
