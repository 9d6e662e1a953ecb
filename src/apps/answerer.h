// Where answers of `maru chat` and `maru run` come from: the engine in this process, or a server
// that runs already.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/command.h"
#include "base/json_fwd.h"
#include "base/result.h"

namespace maru::apps {

struct Question {
  std::shared_ptr<const Json> messages;  // or, if null:
  std::string text;                      // a text to go on with
  float temperature = 0.7f;
  float top_p = 0.95f;
  std::optional<uint64_t> seed;
  std::optional<uint32_t> max_tokens;
};

enum class AnswerEnd { kComplete, kCut, kStopped };

struct AnswerHooks {
  std::function<void(std::string_view)> on_text;             // whole characters
  std::function<void(uint32_t done, uint32_t all)> on_read;  // tokens of the prompt
  std::function<bool()> should_stop;                         // asked often
};

// Not thread-safe. Hooks run on the caller's thread.
class Answerer {
 public:
  virtual ~Answerer() = default;
  virtual const std::string& model() const = 0;
  // Errors: those of GenerationService::start, or of the connection.
  virtual Result<AnswerEnd> answer(const Question& question, const AnswerHooks& hooks) = 0;
};

// The server at host:port of the settings if it answers and serves the wanted model, else an engine
// of our own (with a note on standard error while it loads). `may_use_server` false: always that.
Result<std::unique_ptr<Answerer>> make_answerer(const Context& context, bool may_use_server);

// Null if no server is there or it serves other models.
std::unique_ptr<Answerer> find_server(const service::Settings& settings);
Result<std::unique_ptr<Answerer>> start_engine(const Context& context);

}  // namespace maru::apps
