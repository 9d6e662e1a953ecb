#include "apps/sampling_options.h"

#include <charconv>

namespace maru::apps {

void declare_answering(Options& options, bool& own_engine, SamplingOptions& sampling) {
  options.toggle("--own-engine", own_engine, "start an engine here even if a server runs");
  options.real("--temperature", sampling.temperature, 0.0f, 2.0f,
               "how freely words are chosen (0: always the likeliest)");
  options.real("--top-p", sampling.top_p, 0.0f, 1.0f,
               "share of the likeliest words to choose from");
  options.number("--max-tokens", sampling.max_tokens, 0, 1U << 24,
                 "longest answer in tokens (0: what the context leaves)");
  options.text("--seed", sampling.seed, "number that makes answers repeatable");
  options.engine_settings();
  options.setting("host");
  options.setting("port");
}

Result<ChatOptions> chat_options(const SamplingOptions& sampling) {
  ChatOptions options;
  options.temperature = sampling.temperature;
  options.top_p = sampling.top_p;
  if (sampling.max_tokens != 0) options.max_tokens = sampling.max_tokens;
  if (!sampling.seed.empty()) {
    uint64_t seed = 0;
    const char* end = sampling.seed.data() + sampling.seed.size();
    const auto [stop, code] = std::from_chars(sampling.seed.data(), end, seed);
    if (code != std::errc{} || stop != end) {
      return Error{ErrorCode::kInvalidArgument, "--seed is not a whole number: " + sampling.seed,
                   "a seed is 0 to 18446744073709551615"};
    }
    options.seed = seed;
  }
  return options;
}

}  // namespace maru::apps
