// Progress on stderr: a bar with rate and remaining time that redraws itself on a terminal, plain lines otherwise.
// Its functions may be called by several threads.
#pragma once
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace gpen::app {

class ProgressBar {
 public:
  // what: "photos"; total: how many steps there will be; before: how many of them an earlier run has done.
  ProgressBar(std::string what, int64_t total, int64_t before = 0);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // One step is done: `line` says what became of it ("photo.jpg: 2 faces, 0.8 s") and is always printed.
  void step(const std::string& line);
  // So much is done beyond the last step (0..1 of the present one; more where several steps are under way), doing
  // `what`
  // ("background, tile 3 of 12"). Only shown on a terminal.
  void within(double fraction, const std::string& what);
  // So many of the steps are done, without a line for each (a download's megabytes, a video's frames). Without a
  // terminal a line is printed from time to time when `lines` asks for it.
  void at(double done, bool lines = false);
  // A message between the steps; the bar is put aside for it.
  void message(const std::string& line);
  // Takes the bar off the terminal until the next step or message, for output that goes elsewhere.
  void hide();

  // "[#####.....] 5/10 photos, 1.25/s, 4 s left" for `done` steps (fractions count) after `seconds`; for the bar itself
  // and its tests. The first `before` of them were done earlier: they do not count for the rate.
  static std::string render(const std::string& what, double done, int64_t total, double seconds, int64_t before = 0);

 private:
  // With the lock held.
  void draw(const std::string& note);
  void erase();

  std::mutex mutex_;
  std::string what_;
  int64_t total_, before_;
  int64_t steps_ = 0;
  double done_ = 0;  // with the parts of steps
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_drawn_;
};

// "0.8 s", "75 s", "12 min 5 s", "3 h 20 min".
std::string duration_text(double seconds);

}  // namespace gpen::app
