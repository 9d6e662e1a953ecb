// Ctrl-C as a question that loops ask, and as something to wait for.
#pragma once

namespace maru::apps {

// From now on SIGINT only leaves a note (and ends a blocking read), and SIGWINCH another.
void watch_interrupts();
// Whether Ctrl-C was pressed since the last call.
bool take_interrupt();
// The same without forgetting it.
bool is_interrupted();
bool take_resize();

// Keeps SIGINT, SIGTERM and SIGHUP from ending the program; to be called before threads start.
void hold_stop_signals();
// Waits until one of them comes.
void wait_for_stop_signal();

}  // namespace maru::apps
