#include "app/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace gpen::app {
namespace {

std::atomic<bool> has_come{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // signal handlers may use nothing else

// The second signal ends the program: by its default action, or, as the first process of a container, which has none.
void on_signal(int signal) {
  if (has_come.exchange(true)) {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    sigprocmask(SIG_UNBLOCK, &one, nullptr);
    raise(signal);
    _exit(128 + signal);
  }
}

}  // namespace

void catch_interrupts() {
  // Without SA_RESTART: a read that waits for stdin comes back.
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return has_come; }

}  // namespace gpen::app
