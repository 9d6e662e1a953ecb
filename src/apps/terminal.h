// The terminal: whether there is one, text that can't drive it, and a progress line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace maru::apps {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

// Text without control characters (C0 but line feed and tab, DEL, C1): a model's words must never
// move the cursor, set the title or answer for the terminal. UTF-8 in, UTF-8 out.
std::string printable(std::string_view text);

// Writes all bytes to standard output at once. False when nobody reads any more.
bool write_stdout(std::string_view bytes);
void write_stderr(std::string_view bytes);

// "label  42% [=====     ]" on standard error, rewritten in place; silent if that is no terminal.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label);
  ~ProgressLine();  // removes the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(uint64_t n_done, uint64_t n_total, const std::string& note = "");
  void clear();

 private:
  std::string label_;
  bool is_on_;
  bool is_shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace maru::apps
