// The conversation loop of `maru chat`: reads lines, obeys commands, streams answers.
#pragma once

#include <optional>
#include <string>

#include "apps/answerer.h"
#include "apps/command.h"
#include "apps/conversation.h"
#include "apps/line_editor.h"

namespace maru::apps {

struct ChatOptions {
  float temperature = 0.7f;
  float top_p = 0.95f;
  std::optional<uint64_t> seed;
  std::optional<uint32_t> max_tokens;
};

class ChatSession {
 public:
  ChatSession(const Context& context, Answerer& answerer, const ChatOptions& options);

  // Returns when the person leaves or input ends.
  void run();
  // Goes on with a saved conversation. Errors: those of Conversation::load.
  Status load(const std::string& path);
  void set_system(const std::string& text) { conversation_.set_system(text); }

 private:
  enum class Next { kGoOn, kLeave };

  // A whole input: lines joined by a trailing backslash or between """.
  struct Input {
    bool is_end = false;
    bool is_interrupted = false;
    std::string text = {};
  };
  Input read_input();
  bool read_more(std::string& text);
  Next obey(const std::string& line);
  void ask(const std::string& text);
  void note(const std::string& text) const;
  void report(const Error& error) const;

  const Context& context_;
  Answerer& answerer_;
  ChatOptions options_;
  Conversation conversation_;
  LineEditor editor_;
  uint64_t n_asked_ = 0;
};

}  // namespace maru::apps
