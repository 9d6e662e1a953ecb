// The options that say where an answer comes from and how it is drawn, the same for `maru chat` and
// `maru run`.
#pragma once

#include <cstdint>
#include <string>

#include "apps/chat_session.h"
#include "apps/options.h"
#include "base/result.h"

namespace maru::apps {

struct SamplingOptions {
  float temperature = 0.7f;
  float top_p = 0.95f;
  uint32_t max_tokens = 0;  // 0: what the context leaves
  std::string seed;         // empty: a new one each time
};

// `own_engine`: start an engine here even if a server runs.
void declare_answering(Options& options, bool& own_engine, SamplingOptions& sampling);

// Errors: kInvalidArgument (a seed that is no number).
Result<ChatOptions> chat_options(const SamplingOptions& sampling);

}  // namespace maru::apps
