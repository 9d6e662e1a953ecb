#include "engine/prefix_digest.h"

#include <algorithm>
#include <bit>

#include "base/sha256.h"
#include "engine/prefix_tree.h"

namespace maru::engine {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tokens are hashed as they lie in memory");

PrefixDigest shortened(Sha256& sha) {
  const auto whole = sha.finish();
  PrefixDigest digest;
  std::copy_n(whole.begin(), digest.bytes.size(), digest.bytes.begin());
  return digest;
}

}  // namespace

PrefixDigest root_digest(const PrefixKey& key) {
  Sha256 sha;
  sha.add("maru prefix");
  sha.add(key.model_fingerprint);
  sha.add(key.kv_layout);
  for (const std::string* text : {&key.adapter, &key.tenant_salt}) {
    sha.add(uint64_t{text->size()});
    sha.add(*text);
  }
  return shortened(sha);
}

PrefixDigest digest_after(const PrefixDigest& before, std::span<const TokenId> page) {
  Sha256 sha;
  sha.add(before.bytes);
  sha.add({reinterpret_cast<const uint8_t*>(page.data()), page.size_bytes()});
  return shortened(sha);
}

}  // namespace maru::engine
