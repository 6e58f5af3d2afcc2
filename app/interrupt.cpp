#include "app/interrupt.h"

#include <atomic>
#include <csignal>

namespace gpen::app {
namespace {

std::atomic<bool> has_come{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // signal handlers may use nothing else

void on_signal(int) { has_come = true; }

}  // namespace

void catch_interrupts() {
  // Without SA_RESTART: a read that waits for stdin comes back. SA_RESETHAND: the second signal ends the program.
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return has_come; }

}  // namespace gpen::app
