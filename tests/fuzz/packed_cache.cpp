// Any bytes as a cache of packed weights: an error or a cache whose every part can be read. An
// input is a whole file, or, behind the byte 'D', a directory that gets content and checksums
// around it; there "@@layout" stands for the layout hash of f32, which no mutation finds.
#include "tensor/packed_cache.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "base/checksum.h"
#include "tensor/packed_cache_form.h"

namespace {

using maru::tensor::PackedCache;
using namespace maru::tensor::packed_form;

constexpr size_t kContent = 2048;

std::vector<uint8_t> around(const uint8_t* data, size_t size) {
  constexpr std::string_view kMark = "@@layout";
  const uint64_t layout = maru::tensor::layout_hash(*maru::tensor::find_format("f32"));
  std::vector<uint8_t> file(kContent);
  const Head head;
  std::memcpy(file.data(), &head, sizeof(head));
  file.insert(file.end(), data, data + size);
  for (auto at = file.begin() + kContent;;) {
    at = std::search(at, file.end(), kMark.begin(), kMark.end());
    if (at == file.end()) break;
    std::memcpy(&*at, &layout, sizeof(layout));
  }
  Foot foot;
  foot.directory_begin = kContent;
  foot.directory_bytes = size;
  foot.directory_checksum = maru::checksum64({file.data() + kContent, size});
  foot.file_bytes = kContent + size + sizeof(foot);
  const auto* raw = reinterpret_cast<const uint8_t*>(&foot);
  foot.foot_checksum = maru::checksum64({raw, sizeof(foot) - sizeof(foot.foot_checksum)});
  file.insert(file.end(), raw, raw + sizeof(foot));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const bool is_directory = size > 0 && data[0] == 'D';
  const std::vector<uint8_t> file =
      is_directory ? around(data + 1, size - 1) : std::vector<uint8_t>(data, data + size);
  // Exactly as long as the file, so that the sanitizer sees a byte too far.
  constexpr std::align_val_t kAligned{kAlignment};
  auto* bytes = new (kAligned) uint8_t[file.size()];
  std::copy(file.begin(), file.end(), bytes);
  {
    const auto cache = PackedCache::parse({bytes, file.size()});
    if (!cache) {
      if (cache.error().message.empty()) __builtin_trap();
    } else {
      uint64_t sum = cache->origin().files.size();
      for (const auto& part : cache->parts()) {
        for (const uint8_t byte : part.bytes) sum += byte;
        if (part.format == nullptr && !cache->floats(part.name, part.n_out)) __builtin_trap();
        if (part.format == nullptr) continue;
        const auto weight = cache->matrix(part.name, *part.format, part.n_out, part.k);
        if (!weight || weight->bytes() != part.bytes.size()) __builtin_trap();
      }
      const std::atomic<bool> never{false};
      sum += cache->verify(never) ? 1 : 0;
      volatile uint64_t keep = sum;  // the reads must happen
      static_cast<void>(keep);
    }
  }
  ::operator delete[](bytes, kAligned);
  return 0;
}
