// Shows how a model is brought in: a line with rate and time left on a terminal, else a plain line
// now and then. Not thread-safe; its callers take turns.
#pragma once

#include <chrono>
#include <string>

#include "apps/messages.h"
#include "apps/terminal.h"
#include "service/pull.h"

namespace maru::apps {

class TransferView {
 public:
  explicit TransferView(const Phrases& say);

  void show(const service::PullProgress& progress);
  void clear() { line_.clear(); }

  // Calls for a pull that shows itself here and ends with Ctrl-C.
  service::PullCalls calls();

 private:
  using Clock = std::chrono::steady_clock;

  const Phrases& say_;
  bool is_terminal_;
  ProgressLine line_;
  service::PullProgress last_ = {};
  bool has_begun_ = false;
  Clock::time_point begin_, last_plain_;
  uint64_t n_at_begin_ = 0;
};

}  // namespace maru::apps
