// --jsonl: a report with one JSON object to a line, written as each photo is done, so that a run that is killed has
// told what it did, and the next one can go on.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "app/restore_report.h"

namespace gpen::app {

class ReportLines {
 public:
  // target: a file, or "-" for stdout. A file is begun anew, or, with `resume`, read and continued: a last line that
  // was cut off is taken away. Code::io when it cannot be read, is no such report, or cannot be written to.
  static Result<std::unique_ptr<ReportLines>> open(const std::string& target, bool resume);
  ~ReportLines();
  ReportLines(const ReportLines&) = delete;
  ReportLines& operator=(const ReportLines&) = delete;

  // What the report had when it was opened: the last status of this photo ("done", "failed", "no_face", "skipped"), or
  // an empty text. The same photo is the same input with the same output.
  std::string earlier_status(const std::string& input, const std::string& output) const;

  // Adds a line, as one write. Any thread. An error is kept for status().
  void add(const PhotoReport& report);
  // The first error of add().
  Status status() const;

 private:
  ReportLines(std::string target, int fd) : target_(std::move(target)), fd_(fd) {}
  Status read_earlier();

  const std::string target_;
  const int fd_;
  std::map<std::pair<std::string, std::string>, std::string> earlier_;
  mutable std::mutex mutex_;
  Status status_;
};

}  // namespace gpen::app
