// The tokens of a vocabulary and a fast map from strings to ids.
// Immutable once filled; thread-safe then.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace maru::text {

inline constexpr TokenId kNoToken = -1;

// Open addressing over strings that the caller keeps alive and in place.
class StringIds {
 public:
  // Prepares for `n` strings; drops what is there.
  void reset(size_t n);
  // The first id of a string stays. At most the announced number of strings.
  void insert(std::string_view key, TokenId id);
  TokenId find(std::string_view key) const;  // kNoToken if absent

 private:
  struct Slot {
    const char* data = nullptr;
    uint32_t size = 0;
    TokenId id = kNoToken;
  };
  size_t slot_of(std::string_view key) const;  // its slot, or the free one where it would go

  std::vector<Slot> slots_;
};

uint64_t hash_bytes(std::string_view bytes);

// Spellings by id. Ids without a token have an empty spelling.
class Vocabulary {
 public:
  Vocabulary() = default;
  // `control[id]`: a token that steers the model and is never text.
  Vocabulary(std::vector<std::string> texts, std::vector<bool> control);

  size_t size() const { return texts_.size(); }
  bool has(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < texts_.size(); }
  const std::string& text(TokenId id) const { return texts_[static_cast<size_t>(id)]; }
  bool is_control(TokenId id) const { return control_[static_cast<size_t>(id)]; }
  TokenId find(std::string_view text) const { return ids_.find(text); }

 private:
  std::vector<std::string> texts_;
  std::vector<bool> control_;
  StringIds ids_;
};

}  // namespace maru::text
