#include "app/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gpen::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char text[128];
  std::snprintf(text, sizeof(text), pattern, args...);
  return text;
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 10) return format("%.1f s", seconds);
  const long long whole = std::llround(seconds);
  if (whole < 100) return format("%lld s", whole);
  if (whole < 3600) return format("%lld min %lld s", whole / 60, whole % 60);
  return format("%lld h %lld min", whole / 3600, whole % 3600 / 60);
}

ProgressBar::ProgressBar(std::string what, int64_t total, int64_t before)
    : what_(std::move(what)),
      total_(total),
      before_(before),
      done_(static_cast<double>(before)),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_drawn_(start_) {}

ProgressBar::~ProgressBar() { hide(); }

std::string ProgressBar::render(const std::string& what, double done, int64_t total, double seconds, int64_t before) {
  constexpr size_t kCells = 24;
  const double fraction = total > 0 ? std::clamp(done / static_cast<double>(total), 0.0, 1.0) : 1.0;
  std::string cells(kCells, '.');
  cells.replace(0, static_cast<size_t>(fraction * kCells), static_cast<size_t>(fraction * kCells), '#');
  std::string bar =
      format("[%s] %lld/%lld ", cells.c_str(), static_cast<long long>(done), static_cast<long long>(total));
  bar += what;
  if (done > static_cast<double>(before) && seconds > 0) {
    const double rate = (done - static_cast<double>(before)) / seconds;
    bar += rate >= 0.1 ? format(", %.2f/s, ", rate) : format(", %.1f/min, ", rate * 60);
    bar += duration_text((static_cast<double>(total) - done) / rate) + " left";
  }
  return bar;
}

void ProgressBar::step(const std::string& line) {
  const std::lock_guard lock(mutex_);
  ++steps_;
  done_ = static_cast<double>(steps_);
  erase();
  const std::string count =
      total_ > 1 ? format("[%lld/%lld] ", static_cast<long long>(steps_), static_cast<long long>(total_)) : "";
  std::fprintf(stderr, "%s%s\n", count.c_str(), line.c_str());
  if (steps_ < total_) draw("");
}

void ProgressBar::within(double fraction, const std::string& what) {
  const std::lock_guard lock(mutex_);
  done_ = static_cast<double>(steps_) +
          std::clamp(fraction, 0.0, std::max(0.0, static_cast<double>(total_ - steps_) - 0.001));
  if (terminal_ && (!drawn_ || seconds_since(last_drawn_) > 0.1)) draw(what);
}

void ProgressBar::at(double done, bool lines) {
  constexpr double kLineEvery = 10;  // seconds
  const std::lock_guard lock(mutex_);
  done_ = done;
  if (lines && !terminal_ && seconds_since(last_drawn_) > kLineEvery) {
    last_drawn_ = Clock::now();
    std::fprintf(stderr, "%s\n", render(what_, done_, total_, seconds_since(start_), before_).c_str());
  }
  if (terminal_ && (!drawn_ || seconds_since(last_drawn_) > 0.1)) draw("");
}

void ProgressBar::message(const std::string& line) {
  const std::lock_guard lock(mutex_);
  erase();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void ProgressBar::draw(const std::string& note) {
  if (!terminal_) return;
  std::string line = render(what_, done_, total_, seconds_since(start_), before_);
  if (!note.empty()) line.append(" (").append(note).append(")");
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
  last_drawn_ = Clock::now();
}

void ProgressBar::hide() {
  const std::lock_guard lock(mutex_);
  erase();
}

void ProgressBar::erase() {
  if (!drawn_) return;
  std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace gpen::app
