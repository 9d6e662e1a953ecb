#include "service/reasoning.h"

#include <algorithm>

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
  constexpr std::string_view kStepEnds[] = {"</tool_call>", "</tool_response>"};
  std::string kept;
  while (!answer.empty()) {
    size_t end = std::string_view::npos;  // behind the next step
    for (const std::string_view mark : kStepEnds) {
      const size_t at = answer.find(mark);
      if (at != std::string_view::npos) end = std::min(end, at + mark.size());
    }
    kept += answer.substr(0, end);
    if (end == std::string_view::npos) break;
    answer.remove_prefix(end);
    const std::string_view next = without_space(answer);
    for (const Marks& marks : kMarks) {
      const size_t close = next.starts_with(marks.begin) ? next.find(marks.end) : next.npos;
      if (close != next.npos) answer = next.substr(close + marks.end.size());
    }
  }
  return kept;
}

}  // namespace maru::service
