#include "apps/chat_session.h"

#include <string_view>
#include <utility>

#include "apps/signals.h"
#include "apps/terminal.h"
#include "base/json.h"

namespace maru::apps {
namespace {

constexpr const char* kPrompt = "> ";
constexpr const char* kMorePrompt = ". ";
constexpr std::string_view kBlock = "\"\"\"";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

ChatSession::ChatSession(const Context& context, Answerer& answerer, const ChatOptions& options)
    : context_(context), answerer_(answerer), options_(options) {}

void ChatSession::note(const std::string& text) const { write_stderr(text + "\n"); }

void ChatSession::report(const Error& error) const {
  note(context_.say(Message::kError, printable(error.message)));
  if (!error.hint.empty()) note(context_.say(Message::kHint, printable(error.hint)));
}

Status ChatSession::load(const std::string& path) {
  MARU_RETURN_IF_ERROR(conversation_.load(path));
  note(context_.say(Message::kChatLoaded, conversation_.size(), path));
  return {};
}

void ChatSession::run() {
  if (stdin_is_terminal()) note(context_.say(Message::kChatWelcome, answerer_.model()));
  while (true) {
    const Input input = read_input();
    if (input.is_interrupted) {
      note(context_.say(Message::kChatInterrupted));
      continue;
    }
    if (input.is_end) break;
    const std::string_view text = trimmed(input.text);
    if (text.empty()) continue;
    if (text.front() == '/' && text.find('\n') == std::string_view::npos) {
      if (obey(std::string(text)) == Next::kLeave) break;
    } else {
      ask(input.text);
    }
  }
  if (stdin_is_terminal()) note(context_.say(Message::kChatBye));
}

ChatSession::Input ChatSession::read_input() {
  const LineRead first = editor_.read(kPrompt);
  if (first.outcome == LineRead::Outcome::kEnd) return {.is_end = true};
  if (first.outcome == LineRead::Outcome::kInterrupted) return {.is_interrupted = true};
  editor_.remember(first.line);
  Input input{.text = first.line};
  input.is_interrupted = !read_more(input.text);
  return input;
}

// Adds the lines that belong to the first one. False: interrupted.
bool ChatSession::read_more(std::string& text) {
  const bool is_block = text.starts_with(kBlock);
  if (is_block) {
    text.erase(0, kBlock.size());
    if (text.ends_with(kBlock)) {
      text.resize(text.size() - kBlock.size());
      return true;
    }
  }
  while (is_block || text.ends_with('\\')) {
    const LineRead next = editor_.read(kMorePrompt);
    if (next.outcome == LineRead::Outcome::kInterrupted) return false;
    if (next.outcome == LineRead::Outcome::kEnd) return true;
    editor_.remember(next.line);
    if (!is_block) text.pop_back();
    if (!text.empty()) text += '\n';
    text += next.line;
    if (is_block && text.ends_with(kBlock)) {
      text.resize(text.size() - kBlock.size());
      return true;
    }
  }
  return true;
}

ChatSession::Next ChatSession::obey(const std::string& line) {
  const size_t space = line.find_first_of(" \t");
  const std::string command = line.substr(0, space);
  const std::string rest(space == std::string::npos
                             ? std::string_view()
                             : trimmed(std::string_view(line).substr(space)));
  if (command == "/exit" || command == "/quit" || command == "/bye") return Next::kLeave;
  if (command == "/help" || command == "/?") {
    note(context_.say(Message::kChatHelp));
  } else if (command == "/reset") {
    conversation_.reset();
    note(context_.say(Message::kChatReset));
  } else if (command == "/system") {
    conversation_.set_system(rest);
    note(context_.say(rest.empty() ? Message::kChatSystemNone : Message::kChatSystem));
  } else if (command == "/save" || command == "/load") {
    if (rest.empty()) {
      note(context_.say(Message::kChatNeedsFile, command));
    } else if (command == "/load") {
      if (const auto status = load(rest); !status) report(status.error());
    } else if (const auto status = conversation_.save(rest, answerer_.model()); !status) {
      report(status.error());
    } else {
      note(context_.say(Message::kChatSaved, conversation_.size(), rest));
    }
  } else {
    note(context_.say(Message::kChatUnknown, printable(command)));
  }
  return Next::kGoOn;
}

void ChatSession::ask(const std::string& text) {
  conversation_.add("user", text);
  Question question;
  question.messages = std::make_shared<const Json>(conversation_.messages());
  question.temperature = options_.temperature;
  question.top_p = options_.top_p;
  // One seed makes the whole conversation repeatable, not every answer the same.
  if (options_.seed) question.seed = *options_.seed + n_asked_;
  question.max_tokens = options_.max_tokens;
  ++n_asked_;

  std::string answer;
  ProgressLine progress(context_.say(Message::kReadingPrompt));
  take_interrupt();
  AnswerHooks hooks;
  hooks.on_text = [&](std::string_view piece) {
    progress.clear();
    answer += piece;
    write_stdout(printable(piece));
  };
  hooks.on_read = [&](uint32_t done, uint32_t all) {
    if (done < all) progress.show(done, all);
  };
  hooks.should_stop = [] { return is_interrupted(); };
  const auto end = answerer_.answer(question, hooks);
  progress.clear();
  take_interrupt();
  if (!answer.empty() && !answer.ends_with('\n')) write_stdout("\n");
  if (!end) {
    report(end.error());
    if (end.error().code == ErrorCode::kTooLarge) note(context_.say(Message::kChatTooLong));
  } else if (*end != AnswerEnd::kComplete) {
    note(context_.say(*end == AnswerEnd::kCut ? Message::kChatCut : Message::kChatStopped));
  }
  // What was said stays, also of a stopped answer; a question without any answer does not.
  if (answer.empty() && (!end || *end == AnswerEnd::kStopped)) {
    conversation_.drop_last();
  } else {
    conversation_.add("assistant", answer);
  }
}

}  // namespace maru::apps
