#include "apps/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/utf8.h"

namespace maru::apps {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr uint64_t kBarWidth = 30;

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char next = utf8_decode(text);
    const uint32_t code = next.code_point;
    const bool is_control =
        (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0);
    if (!is_control) utf8_append(out, code);
    text.remove_prefix(next.length);
  }
  return out;
}

bool write_stdout(std::string_view bytes) { return write_all(STDOUT_FILENO, bytes); }
void write_stderr(std::string_view bytes) { write_all(STDERR_FILENO, bytes); }

ProgressLine::ProgressLine(std::string label)
    : label_(std::move(label)), is_on_(stderr_is_terminal()) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::show(uint64_t n_done, uint64_t n_total, const std::string& note) {
  if (!is_on_ || n_total == 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (is_shown_ && now - last_ < kRedraw && n_done < n_total) return;
  last_ = now;
  is_shown_ = true;
  const uint64_t done = std::min(n_done, n_total);
  const uint64_t filled = kBarWidth * done / n_total;
  write_stderr(fmt::format("\r\x1b[K{} {:3}% [{}{}] {}", label_, 100 * done / n_total,
                           std::string(filled, '='), std::string(kBarWidth - filled, ' '), note));
}

void ProgressLine::clear() {
  if (is_shown_) write_stderr("\r\x1b[K");
  is_shown_ = false;
}

}  // namespace maru::apps
