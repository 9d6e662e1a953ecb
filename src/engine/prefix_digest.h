// Names of computed prefixes that hold over a restart: a chain of SHA-256 over pages of tokens, so
// that the name of a page stands for every token before it, and for the tenant.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/engine.h"

namespace maru::engine {

struct PrefixKey;

// 128 bits of SHA-256.
struct PrefixDigest {
  std::array<uint8_t, 16> bytes = {};
  bool operator==(const PrefixDigest&) const = default;
};

// Of the state before the first token.
PrefixDigest root_digest(const PrefixKey& key);
// Of the state after one full page of tokens more.
PrefixDigest digest_after(const PrefixDigest& before, std::span<const TokenId> page);

}  // namespace maru::engine
