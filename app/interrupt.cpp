#include "app/interrupt.h"

#include <atomic>
#include <csignal>

namespace gpen::app {
namespace {

std::atomic<bool> has_come{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // signal handlers may use nothing else

void on_signal(int signal) {
  has_come = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool interrupted() { return has_come; }

}  // namespace gpen::app
