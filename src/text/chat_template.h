// Chat templates: the Jinja that models' templates use, with the meaning of Python's jinja2 3.1 as
// Hugging Face transformers sets it up (immutable sandbox, trim_blocks, lstrip_blocks, loop
// controls). No attribute of the program is reachable; steps, depth, output and memory are limited;
// integers have 64 bits. compile() refuses by name what is not built: include, import, extends,
// block, recursive loops, and filters that no chat template was seen to use.
//
// Which bytes of the output came from the caller's input is tracked through every operation, so
// that a user's text never becomes a control token. Only a message's "role", where it is a word of
// the chat format itself (system, user, assistant, tool...), counts as the template's: templates
// build tokens from it ('<|' + role + '|>').
//
// Immutable after compile; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "base/result.h"

namespace maru::text {

struct RenderedPiece {
  std::string text;
  bool trusted;  // written by the template; false: came from the messages, tools or other input
};

struct TemplateLimits {
  uint64_t max_steps = 10'000'000;
  uint32_t max_depth = 200;
  size_t max_output_bytes = size_t{64} << 20;
  size_t max_memory_bytes = size_t{512} << 20;  // values alive at once
};

struct TemplateInput {
  const Json* messages = nullptr;   // array
  const Json* tools = nullptr;      // array or null
  const Json* documents = nullptr;  // array or null
  const Json* extra = nullptr;      // object of further variables (enable_thinking...) or null
  bool add_generation_prompt = true;
  std::string bos_token, eos_token;  // trusted
  int64_t now_unix_seconds = 0;      // what strftime_now sees (UTC)
};

class ChatTemplate {
 public:
  // Errors: kInvalidArgument with line and column, and what is not supported.
  static Result<ChatTemplate> compile(std::string_view source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Errors: kInvalidArgument for raise_exception (the template's own words), undefined operations
  // and limits, with the line.
  Result<std::vector<RenderedPiece>> render(const TemplateInput& input,
                                            const TemplateLimits& limits = {}) const;
  // All pieces joined.
  Result<std::string> render_text(const TemplateInput& input,
                                  const TemplateLimits& limits = {}) const;

  const std::string& source() const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::text
