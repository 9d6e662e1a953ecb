// A loaded model as the service sees it beside the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace maru::service {

struct ServedModel {
  std::string name;             // as clients call it
  uint32_t context_length = 0;  // prompt and answer together
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::shared_ptr<const text::ChatTemplate> chat_template;  // null: none, chat is refused clearly
  std::vector<text::TokenId> end_tokens;                    // tokenizer's and generation_config's
  int64_t created_unix_seconds = 0;
};

// Who holds one keeps the model loaded. From ModelPool.
using ModelUse = std::shared_ptr<const ServedModel>;

}  // namespace maru::service
