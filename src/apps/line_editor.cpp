#include "apps/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cwchar>

#include "apps/signals.h"
#include "apps/terminal.h"
#include "base/utf8.h"

namespace maru::apps {
namespace {

constexpr int kHistorySize = 1000;

std::wstring widen(const std::string& text) {
  std::wstring out;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Char next = utf8_decode(rest);
    out += static_cast<wchar_t>(next.code_point);
    rest.remove_prefix(next.length);
  }
  return out;
}

std::string narrow(std::wstring_view text) {
  std::string out;
  for (const wchar_t c : text) utf8_append(out, static_cast<uint32_t>(c));
  return out;
}

enum class ByteRead { kByte, kInterrupted, kEnd };

}  // namespace

struct LineEditor::Impl {
  const bool is_terminal = stdin_is_terminal() && stdout_is_terminal();
  EditLine* editor = nullptr;
  HistoryW* history = nullptr;
  std::wstring prompt;
  bool is_at_end = false;
  bool was_interrupted = false;

  Impl() {
    if (!is_terminal) return;
    editor = el_init("maru", stdin, stdout, stderr);
    history = history_winit();
    if (editor == nullptr || history == nullptr) return;
    HistEventW event;
    history_w(history, &event, H_SETSIZE, kHistorySize);
    history_w(history, &event, H_SETUNIQUE, 1);
    el_wset(editor, EL_CLIENTDATA, this);
    el_wset(editor, EL_PROMPT, &Impl::give_prompt);
    el_wset(editor, EL_EDITOR, L"emacs");
    el_wset(editor, EL_HIST, history_w, history);
    el_wset(editor, EL_GETCFN, &Impl::read_character);
    el_wset(editor, EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
    el_source(editor, nullptr);  // ~/.editrc
  }

  ~Impl() {
    if (history != nullptr) history_wend(history);
    if (editor != nullptr) el_end(editor);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static Impl& of(EditLine* editor) {
    void* self = nullptr;
    el_wget(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }

  static wchar_t* give_prompt(EditLine* editor) { return of(editor).prompt.data(); }

  ByteRead read_byte(char& byte) const {
    while (true) {
      if (is_interrupted()) return ByteRead::kInterrupted;
      const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
      if (n == 1) return ByteRead::kByte;
      if (n == 0) return ByteRead::kEnd;
      if (errno != EINTR) return ByteRead::kEnd;
      if (editor != nullptr && take_resize()) el_resize(editor);
    }
  }

  // libedit's own reader would swallow Ctrl-C and depend on the locale. 1: a character, 0: the
  // end, -1: interrupted.
  static int read_character(EditLine* editor, wchar_t* out) {
    Impl& self = of(editor);
    std::string bytes;
    do {
      char byte = 0;
      const ByteRead read = self.read_byte(byte);
      if (read == ByteRead::kInterrupted) {
        self.was_interrupted = true;
        errno = EINTR;
        return -1;
      }
      if (read == ByteRead::kEnd) return 0;
      bytes += byte;
    } while (utf8_incomplete_suffix(bytes) == bytes.size());
    *out = static_cast<wchar_t>(utf8_decode(bytes).code_point);
    return 1;
  }

  LineRead read_on_terminal(const std::string& text) {
    prompt = widen(text);
    was_interrupted = false;
    int count = 0;
    const wchar_t* line = el_wgets(editor, &count);
    if (was_interrupted) {
      take_interrupt();
      write_stdout("^C\n");
      return {LineRead::Outcome::kInterrupted, ""};
    }
    if (line == nullptr || count <= 0) {
      write_stdout("\n");
      return {LineRead::Outcome::kEnd, ""};
    }
    std::wstring_view taken(line, static_cast<size_t>(count));
    while (!taken.empty() && (taken.back() == L'\n' || taken.back() == L'\r')) {
      taken.remove_suffix(1);
    }
    return {LineRead::Outcome::kLine, narrow(taken)};
  }

  LineRead read_plain() {
    std::string line;
    while (!is_at_end) {
      char byte = 0;
      const ByteRead read = read_byte(byte);
      if (read == ByteRead::kInterrupted) {
        take_interrupt();
        return {LineRead::Outcome::kInterrupted, ""};
      }
      if (read == ByteRead::kEnd) {
        is_at_end = true;
        if (line.empty()) break;
        return {LineRead::Outcome::kLine, std::move(line)};
      }
      if (byte == '\n') {
        if (line.ends_with('\r')) line.pop_back();
        return {LineRead::Outcome::kLine, std::move(line)};
      }
      line += byte;
    }
    return {LineRead::Outcome::kEnd, ""};
  }
};

LineEditor::LineEditor() : impl_(std::make_unique<Impl>()) {}
LineEditor::~LineEditor() = default;

LineRead LineEditor::read(const std::string& prompt) {
  return impl_->editor != nullptr ? impl_->read_on_terminal(prompt) : impl_->read_plain();
}

void LineEditor::remember(const std::string& line) {
  if (impl_->history == nullptr || line.empty()) return;
  HistEventW event;
  history_w(impl_->history, &event, H_ENTER, widen(line).c_str());
}

}  // namespace maru::apps
