// Good open-weight models by language: share/catalogue.json, compiled into the program
// (docs/models.md says how entries are chosen). Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace maru::service {

struct CatalogueModel {
  std::string id;            // that 'maru pull' takes
  std::string repository;    // of the hub
  std::string quantisation;  // of the GGUF file; empty: a folder of safetensors
  std::string family;  // as the engine names it ("qwen3"), also where it has none of that name
  std::vector<std::string> languages;  // BCP 47, the best first
  std::string licence;                 // SPDX, or the licence's own name
  std::string licence_note;            // what it restricts, in one line; empty: nothing
  std::string source;                  // where size and licence were read
  uint64_t bytes = 0;                  // of the weights
  uint64_t n_parameters = 0;
  uint64_t n_active_parameters = 0;  // computed for a token; less only for mixtures of experts
  uint64_t context_length = 0;       // tokens that it was made for
  uint64_t kv_bytes_per_token = 0;   // with 16-bit keys and values
};

// As parse_hub_name() takes it.
std::string catalogue_name(const CatalogueModel& model);

// Errors: kCorrupt with the entry.
Result<std::vector<CatalogueModel>> parse_catalogue(std::string_view text);

std::span<const CatalogueModel> catalogue();
// Null if there is none of that id.
const CatalogueModel* find_in_catalogue(std::string_view id);

}  // namespace maru::service
