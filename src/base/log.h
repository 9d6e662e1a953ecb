// The program's log: one line per event on standard error, with time and level. Never holds
// content of prompts or answers, nor secrets. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace maru {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// The only process-wide state of the log.
void set_log_level(LogLevel level);
// "debug", "info", "warning", "error" and "off"; anything else: kInfo.
LogLevel log_level_of(std::string_view name);
void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace maru
