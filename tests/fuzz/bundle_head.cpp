// Any bytes as the head of a bundle and as the manifest behind it: an error, or a manifest whose
// files stay inside of a folder. No mutation finds a signature, so the manifest is read without.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "service/bundle.h"
#include "service/model_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace maru::service;
  BundleHead head;
  const auto length = parse_bundle_prefix({data, size}, head);
  if (length) {
    const size_t n = std::min<size_t>(*length, size - kBundlePrefixBytes);
    head.manifest_text.assign(reinterpret_cast<const char*>(data) + kBundlePrefixBytes, n);
    // Trusted by nobody: whatever the signature, this must not give a manifest.
    if (check_bundle_head(head, {})) __builtin_trap();
  }
  const std::string_view text = length
                                    ? std::string_view(head.manifest_text)
                                    : std::string_view(reinterpret_cast<const char*>(data), size);
  const auto manifest = parse_manifest(text);
  if (!manifest) {
    if (manifest.error().message.empty()) __builtin_trap();
    return 0;
  }
  for (const ModelFile& file : manifest->files) {
    if (!check_inner_path(file.path)) __builtin_trap();
  }
  const auto again = parse_manifest(print_manifest(*manifest));
  if (!again || again->files != manifest->files) __builtin_trap();
  return 0;
}
