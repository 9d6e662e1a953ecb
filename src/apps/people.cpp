#include "apps/people.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <cwchar>
#include <iostream>

#include "apps/books.h"
#include "apps/terminal.h"
#include "base/utf8.h"

namespace maru::apps {
namespace {

// The terminal as it was; for a signal's handler, which sees globals only.
termios shown_input{};

void show_input() { ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown_input); }

void leave(int /*signal*/) {
  show_input();
  ::_exit(kExitInterrupted);
}

// Hides what is typed while it lives, also if Ctrl-C ends the program.
class HiddenInput {
 public:
  HiddenInput() {
    if (::tcgetattr(STDIN_FILENO, &shown_input) != 0) return;
    before_ = std::signal(SIGINT, leave);
    termios hidden = shown_input;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_on_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
  }
  ~HiddenInput() {
    if (is_on_) show_input();
    if (before_ != SIG_ERR) std::signal(SIGINT, before_);
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  void (*before_)(int) = SIG_ERR;
  bool is_on_ = false;
};

Result<std::string> read_line() {
  std::string line;
  if (!std::getline(std::cin, line)) {
    return Error{ErrorCode::kInvalidArgument, "no password was given",
                 "type it, or send it as one line to standard input"};
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

size_t width(const std::string& text) {
  size_t cells = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const Utf8Char c = utf8_decode(rest);
    if (c.length == 0) break;
    const int n = ::wcwidth(static_cast<wchar_t>(c.code_point));
    cells += n > 0 ? static_cast<size_t>(n) : 0;
    rest.remove_prefix(c.length);
  }
  return cells;
}

}  // namespace

Result<std::shared_ptr<service::Accounts>> open_accounts(const service::Settings& settings) {
  MARU_ASSIGN_OR_RETURN(auto database,
                        service::open_database(service::database_location(settings)));
  return std::make_shared<service::Accounts>(
      std::make_shared<service::AuditLog>(std::move(database), audit_head_file()));
}

Result<service::User> find_user(const service::Accounts& accounts, const std::string& who) {
  if (who.starts_with("user_")) return accounts.find_user(who);
  return accounts.find_user_by_name(who);
}

Result<service::GroupView> find_group(const service::Accounts& accounts, const std::string& which) {
  if (which.starts_with("grp_")) return accounts.find_group(which);
  return accounts.find_group_by_name(which);
}

Result<std::string> ask_password(const Phrases& say) {
  if (!stdin_is_terminal()) return read_line();
  const HiddenInput hidden;
  write_stderr(say(Message::kAskPassword));
  MARU_ASSIGN_OR_RETURN(std::string password, read_line());
  write_stderr("\n" + say(Message::kAskPasswordAgain));
  MARU_ASSIGN_OR_RETURN(const std::string again, read_line());
  write_stderr("\n");
  if (password != again) {
    return Error{ErrorCode::kInvalidArgument, "the two passwords differ", "try again", "password"};
  }
  return password;
}

std::string format_time(const std::optional<int64_t>& unix_milliseconds) {
  if (!unix_milliseconds) return "-";
  const std::time_t seconds = *unix_milliseconds / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return {text, n};
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text += std::string(widths[i] - width(row[i]) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

}  // namespace maru::apps
