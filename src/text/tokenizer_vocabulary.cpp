#include "text/tokenizer_vocabulary.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace maru::text {
namespace {

uint64_t mix(uint64_t hash, uint64_t word) {
  const uint64_t product = (hash ^ word) * 0xD1B54A32D192ED03;
  return product ^ (product >> 32);
}

}  // namespace

// Multiplication and shift over words of eight bytes. Not for hostile keys: the sets that it
// indexes come from a model's files.
uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = bytes.size() * 0x9E3779B97F4A7C15;
  const char* data = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; data += 8, left -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    hash = mix(hash, word);
  }
  uint64_t word = 0;
  for (size_t i = 0; i < left; ++i) {
    word |= static_cast<uint64_t>(static_cast<uint8_t>(data[i])) << (8 * i);
  }
  return mix(mix(hash, word), 0);
}

void StringIds::reset(size_t n) { slots_.assign(std::bit_ceil(2 * n + 1), Slot{}); }

size_t StringIds::slot_of(std::string_view key) const {
  const size_t mask = slots_.size() - 1;
  size_t i = static_cast<size_t>(hash_bytes(key)) & mask;
  while (slots_[i].id != kNoToken && std::string_view(slots_[i].data, slots_[i].size) != key) {
    i = (i + 1) & mask;
  }
  return i;
}

void StringIds::insert(std::string_view key, TokenId id) {
  Slot& slot = slots_[slot_of(key)];
  if (slot.id == kNoToken) slot = {key.data(), static_cast<uint32_t>(key.size()), id};
}

TokenId StringIds::find(std::string_view key) const {
  return slots_.empty() ? kNoToken : slots_[slot_of(key)].id;
}

Vocabulary::Vocabulary(std::vector<std::string> texts, std::vector<bool> control)
    : texts_(std::move(texts)), control_(std::move(control)) {
  MARU_CHECK(texts_.size() == control_.size());
  ids_.reset(texts_.size());
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (!texts_[i].empty()) ids_.insert(texts_[i], static_cast<TokenId>(i));
  }
}

bool same_vocabulary(const Tokenizer& a, const Tokenizer& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (a.token_text(id) != b.token_text(id) || a.is_control(id) != b.is_control(id)) return false;
  }
  return true;
}

}  // namespace maru::text
