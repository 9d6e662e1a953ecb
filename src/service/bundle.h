// A model in one signed file, for a site without a network: docs/formats/bundle.md. Written and
// read as a stream; nothing of a bundle is seen as a model before signature and every hash were
// checked. Ed25519 by libsodium.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/model_manifest.h"
#include "service/pull.h"

namespace maru::service {

// "ed25519:" and 43 letters of base64url.
std::string print_public_key(std::span<const uint8_t, 32> key);
Result<std::array<uint8_t, 32>> parse_public_key(const std::string& text);

struct BundleKey {
  std::array<uint8_t, 32> public_key = {};
  std::array<uint8_t, 64> secret_key = {};
};

// The key of this data folder, readable for its owner alone. Errors: kNotFound, kCorrupt.
Result<BundleKey> read_bundle_key(const std::string& path);
// Makes one; errors: kConflict if there is one already, those of the disk.
Result<BundleKey> make_bundle_key(const std::string& path);

// What stands before the content.
struct BundleHead {
  std::array<uint8_t, 32> public_key = {};
  std::array<uint8_t, 64> signature = {};
  std::string manifest_text;  // that is signed
  uint64_t content_at = 0;    // offset of the first file
};

inline constexpr size_t kBundlePrefixBytes = 8 + 4 + 4 + 32 + 64;
inline constexpr size_t kMaxBundleManifest = size_t{16} << 20;

// The bytes that come before the manifest, and the manifest's length. Errors: kCorrupt.
Result<uint32_t> parse_bundle_prefix(std::span<const uint8_t> prefix, BundleHead& head);
// Checks the signature and reads the manifest. Errors: kCorrupt, kForbidden (a key that is not
// among `trusted`).
Result<ModelManifest> check_bundle_head(const BundleHead& head,
                                        const std::vector<std::array<uint8_t, 32>>& trusted);

// Writes the model of `folder` with its manifest, which it is held to first. Appears at `path` only
// when it is whole. Errors: kConflict (there is a file already), kCorrupt, those of the disk.
Result<ModelManifest> export_bundle(const std::string& folder, const std::string& path,
                                    const BundleKey& key, const PullCalls& calls);

// Errors: kCorrupt (cut, changed), kForbidden (signed by somebody else), kConflict (there is a
// model of that name), those of the disk.
Result<Pulled> import_bundle(const std::string& path, const std::string& models_folder,
                             const std::vector<std::array<uint8_t, 32>>& trusted,
                             const PullCalls& calls);

}  // namespace maru::service
