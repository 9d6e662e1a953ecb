#include "service/reasoning.h"

#include <algorithm>
#include <iterator>

namespace maru::service {
namespace {

struct Marks {
  std::string_view begin, end;
};
constexpr Marks kMarks[] = {{"<think>", "</think>"}, {"[THINK]", "[/THINK]"}};
constexpr std::string_view kSpace = " \t\r\n";

std::string_view without_space(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

// Where a mark comes next in a text. Asked for places that only grow, it reads the text once in
// all, also for a mark that is not there: answers may be a megabyte of marks.
class NextMark {
 public:
  NextMark(std::string_view text, std::string_view mark) : text_(text), mark_(mark) {}

  // Behind the first mark that begins at `from` or later; npos if none does.
  size_t end_from(size_t from) {
    if (!is_known_ || (at_ != std::string_view::npos && at_ < from)) {
      at_ = text_.find(mark_, from);
      is_known_ = true;
    }
    return at_ == std::string_view::npos ? at_ : at_ + mark_.size();
  }

 private:
  std::string_view text_, mark_;
  size_t at_ = 0;
  bool is_known_ = false;
};

}  // namespace

ReasoningCounter::ReasoningCounter(std::string_view prompt_end) {
  const size_t last = prompt_end.find_last_not_of(kSpace);
  const std::string_view text = prompt_end.substr(0, last == std::string_view::npos ? 0 : last + 1);
  for (const Marks& marks : kMarks) {
    if (!text.ends_with(marks.begin)) continue;
    state_ = State::kInside;
    end_mark_ = marks.end;
  }
}

void ReasoningCounter::add(std::string_view bytes) {
  if (state_ == State::kAfter) return;
  seen_ += bytes;
  if (state_ == State::kBefore) {
    ++n_held_;
    return look_for_begin();
  }
  ++n_tokens_;
  look_for_end();
}

void ReasoningCounter::look_for_begin() {
  const std::string_view text = without_space(seen_);
  bool may_come = false;
  for (const Marks& marks : kMarks) {
    if (text.starts_with(marks.begin)) {
      state_ = State::kInside;
      end_mark_ = marks.end;
      n_tokens_ = n_held_;
      seen_ = std::string(text.substr(marks.begin.size()));
      return look_for_end();
    }
    may_come = may_come || marks.begin.starts_with(text);
  }
  if (!may_come) state_ = State::kAfter;
}

void ReasoningCounter::look_for_end() {
  if (seen_.find(end_mark_) != std::string::npos) {
    state_ = State::kAfter;
    return;
  }
  const size_t n_kept = std::min(seen_.size(), end_mark_.size() - 1);
  seen_.erase(0, seen_.size() - n_kept);
}

std::string without_later_thinking(std::string_view answer) {
  NextMark step_ends[] = {NextMark(answer, "</tool_call>"), NextMark(answer, "</tool_response>")};
  NextMark closes[] = {NextMark(answer, kMarks[0].end), NextMark(answer, kMarks[1].end)};
  static_assert(std::size(kMarks) == 2);
  std::string kept;
  for (size_t at = 0; at < answer.size();) {
    size_t end = answer.size();  // behind the next step
    for (NextMark& mark : step_ends) end = std::min(end, mark.end_from(at));
    kept += answer.substr(at, end - at);
    at = end;
    const std::string_view next = without_space(answer.substr(at));
    for (size_t i = 0; i < std::size(kMarks); ++i) {
      if (!next.starts_with(kMarks[i].begin)) continue;
      const size_t close = closes[i].end_from(answer.size() - next.size());
      if (close <= answer.size()) at = close;
    }
  }
  return kept;
}

}  // namespace maru::service
