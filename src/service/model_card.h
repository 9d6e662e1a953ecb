// What is open about a model and what is not, as its files tell it: nothing is claimed that they do
// not say (docs/models.md). The JSON follows docs/api/card.schema.json.
#pragma once

#include <cstdint>
#include <string>

#include "base/json_fwd.h"
#include "base/result.h"
#include "service/model_store.h"

namespace maru::service {

struct CardOptions {
  std::string cache_folder;              // of hashes, made if it is not there; empty: none
  uint64_t max_hash_bytes = UINT64_MAX;  // a larger file is hashed only if the cache knows it
};

// Reads the files and hashes them (once, while size and time stay). Errors: what is wrong with the
// model.
Result<Json> make_card(const ModelLocation& location, const CardOptions& options);

enum class CardLanguage { kEnglish, kKorean };

// The card as a text to read.
std::string print_card(const Json& card, CardLanguage language);

// "sha256" of a file's bytes, 64 hex digits, taken from `cache_folder` while size and time are
// those that were hashed. Empty if it is larger than `max_bytes` and not known. Errors: kNotFound,
// kUnavailable.
Result<std::string> file_sha256(const std::string& path, const CardOptions& options);

}  // namespace maru::service
