#include "apps/signals.h"

#include <csignal>
#include <initializer_list>

namespace maru::apps {
namespace {

// A handler can leave a note in such a variable and nowhere else (signal-safety(7)).
volatile std::sig_atomic_t interrupted = 0;
volatile std::sig_atomic_t resized = 0;

void note_signal(int signal) {
  if (signal == SIGINT) interrupted = 1;
  if (signal == SIGWINCH) resized = 1;
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = note_signal;  // no SA_RESTART: a read must end
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGWINCH, &action, nullptr);
}

bool take_interrupt() {
  const bool was = interrupted != 0;
  interrupted = 0;
  return was;
}

bool is_interrupted() { return interrupted != 0; }

bool take_resize() {
  const bool was = resized != 0;
  resized = 0;
  return was;
}

void hold_stop_signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void wait_for_stop_signal() {
  const sigset_t set = stop_signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
}

}  // namespace maru::apps
