#include "app/report_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "pipeline/file_io.h"

namespace gpen::app {
namespace {

constexpr size_t kMostBytes = size_t{4} << 30;

std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// A name as it is read back from a line: JSON has no bytes that are not UTF-8.
std::string as_read(const std::string& name) { return Json::parse(line_of(name)).get<std::string>(); }

}  // namespace

Result<std::unique_ptr<ReportLines>> ReportLines::open(const std::string& target, bool resume) {
  if (target == "-") return std::unique_ptr<ReportLines>(new ReportLines("standard output", ::dup(STDOUT_FILENO)));
  const int fd = ::open(target.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (resume ? 0 : O_TRUNC), 0666);
  if (fd < 0) return fail(Code::io, target, ": cannot write: ", std::strerror(errno));
  std::unique_ptr<ReportLines> lines(new ReportLines(target, fd));
  if (resume) GPEN_RETURN_IF_ERROR(lines->read_earlier());
  return lines;
}

ReportLines::~ReportLines() {
  if (fd_ >= 0) ::close(fd_);
}

Status ReportLines::read_earlier() {
  GPEN_ASSIGN(const std::vector<uint8_t> text, read_file(target_, kMostBytes));
  size_t begin = 0, number = 0;
  for (size_t end = 0; end < text.size(); ++end) {
    if (text[end] != '\n') continue;
    ++number;
    const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    begin = end + 1;
    const auto has = [&](const char* key) { return line.contains(key) && line[key].is_string(); };
    if (!line.is_object() || !has("input") || !has("output") || !has("status"))
      return fail(Code::io, target_, ": line ", number, " is none of a report of --jsonl; name another file");
    earlier_[{line["input"].get<std::string>(), line["output"].get<std::string>()}] = line["status"].get<std::string>();
  }
  if (begin < text.size() && ::ftruncate(fd_, static_cast<off_t>(begin)) != 0)
    return fail(Code::io, target_, ": cannot write: ", std::strerror(errno));
  return {};
}

std::string ReportLines::earlier_status(const std::string& input, const std::string& output) const {
  if (earlier_.empty()) return {};
  const auto found = earlier_.find({as_read(input), as_read(output)});
  return found == earlier_.end() ? std::string() : found->second;
}

void ReportLines::add(const PhotoReport& report) {
  const std::string line = line_of(to_json(report));
  const std::lock_guard lock(mutex_);
  const char* next = line.data();
  for (size_t left = line.size(); left > 0 && status_.ok();) {
    const ssize_t n = ::write(fd_, next, left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      status_ = fail(Code::io, target_, ": cannot write: ", std::strerror(n < 0 ? errno : ENOSPC));
      return;
    }
    next += n;
    left -= static_cast<size_t>(n);
  }
}

Status ReportLines::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace gpen::app
