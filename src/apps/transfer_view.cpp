#include "apps/transfer_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/signals.h"
#include "service/memory_plan.h"

namespace maru::apps {
namespace {

using service::format_bytes;
using service::PullProgress;
using Stage = PullProgress::Stage;

constexpr std::chrono::seconds kPlainEvery{5};

// "1:02:03", "2:03"
std::string print_seconds(double seconds) {
  const auto whole = static_cast<uint64_t>(std::clamp(seconds, 0.0, 1e7));
  const uint64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

Message words_of(Stage stage) {
  switch (stage) {
    case Stage::kWaiting: return Message::kPullWaiting;
    case Stage::kAsking: return Message::kPullAsking;
    case Stage::kFetching: return Message::kPullFetching;
    case Stage::kChecking: return Message::kPullChecking;
    case Stage::kCopying: return Message::kPullCopying;
  }
  return Message::kPullAsking;
}

}  // namespace

TransferView::TransferView(const Phrases& say)
    : say_(say), is_terminal_(stderr_is_terminal()), line_("") {}

void TransferView::show(const PullProgress& progress) {
  const auto now = Clock::now();
  const bool is_new = !has_begun_ || progress.stage != last_.stage || progress.file != last_.file;
  last_ = progress;
  const bool moves_bytes = progress.stage == Stage::kFetching || progress.stage == Stage::kCopying;
  if (!has_begun_ || (is_new && moves_bytes && n_at_begin_ == 0)) {
    begin_ = now;
    n_at_begin_ = progress.n_done;
    if (moves_bytes && progress.n_resumed > 0) {
      line_.clear();
      write_stderr(say_(Message::kPullResumed, format_bytes(progress.n_resumed),
                        format_bytes(progress.n_total)) +
                   "\n");
    }
  }
  has_begun_ = true;
  if (progress.n_total == 0) {
    if (is_new) write_stderr(say_(words_of(progress.stage), printable(progress.file)) + "\n");
    return;
  }
  const double taken = std::chrono::duration<double>(now - begin_).count();
  const double rate =
      static_cast<double>(progress.n_done - std::min(n_at_begin_, progress.n_done)) /
      std::max(taken, 0.1);
  const double left = rate > 0 ? static_cast<double>(progress.n_total - progress.n_done) / rate : 0;
  std::string note = say_(words_of(progress.stage), printable(progress.file));
  if (moves_bytes) {
    note += "  " + say_(Message::kPullRate, format_bytes(progress.n_done),
                        format_bytes(progress.n_total), format_bytes(static_cast<uint64_t>(rate)),
                        print_seconds(left));
  }
  if (is_terminal_) {
    line_.show(progress.n_done, progress.n_total, note);
  } else if (is_new || now - last_plain_ >= kPlainEvery) {
    last_plain_ = now;
    write_stderr(fmt::format("{:3}% {}\n", 100 * progress.n_done / progress.n_total, note));
  }
}

service::PullCalls TransferView::calls() {
  watch_interrupts();
  return {[this](const PullProgress& progress) { show(progress); }, is_interrupted};
}

}  // namespace maru::apps
