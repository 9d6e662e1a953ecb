// How a chat is to be answered: what is set for the person, for the assistant, for the chat and for
// one answer, the later over the earlier. Kept as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"

namespace maru::service {

struct ChatSettings {
  std::optional<std::string> model = {};
  std::optional<std::string> assistant_id = {};
  std::optional<std::string> system = {};  // instructions before the first message
  std::optional<double> temperature = {}, top_p = {}, min_p = {};
  std::optional<int64_t> top_k = {}, max_tokens = {}, seed = {};
  std::optional<std::vector<std::string>> stop = {};
  std::optional<bool> use_memories = {};
};

// What is set in `over` takes the place of what is in `under`.
ChatSettings merge(ChatSettings under, const ChatSettings& over);

Json settings_json(const ChatSettings& settings);
// Of what settings_json() wrote; anything else counts as not set.
ChatSettings read_settings(const std::string& json);

}  // namespace maru::service
