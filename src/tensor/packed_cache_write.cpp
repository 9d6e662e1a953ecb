#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "tensor/packed_cache.h"
#include "tensor/packed_cache_form.h"

namespace maru::tensor {

using namespace packed_form;

namespace {

uint64_t aligned(uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

// The content as a stream: cut into chunks, each with its checksum.
class ContentStream {
 public:
  ContentStream(AtomicFile& file, const std::atomic<bool>& stop) : file_(file), stop_(stop) {
    chunk_.reserve(kChunk);
  }

  Status put(std::span<const uint8_t> bytes) {
    offset_ += bytes.size();
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kChunk - chunk_.size());
      chunk_.insert(chunk_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      if (chunk_.size() == kChunk) MARU_RETURN_IF_ERROR(end_chunk());
    }
    return {};
  }

  Status pad() {
    constexpr uint8_t kZeros[kAlignment] = {};
    return put({kZeros, static_cast<size_t>(aligned(offset_) - offset_)});
  }

  Status end_chunk() {
    if (chunk_.empty()) return {};
    if (stop_.load(std::memory_order_relaxed))
      return Error{ErrorCode::kUnavailable, "writing the packed weights was stopped"};
    checksums_.push_back(checksum64(chunk_));
    MARU_RETURN_IF_ERROR(file_.write(chunk_));
    chunk_.clear();
    return {};
  }

  uint64_t offset() const { return offset_; }
  const std::vector<uint64_t>& checksums() const { return checksums_; }

 private:
  AtomicFile& file_;
  const std::atomic<bool>& stop_;
  std::vector<uint8_t> chunk_;
  std::vector<uint64_t> checksums_;
  uint64_t offset_ = 0;
};

template <class T>
std::span<const uint8_t> bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

class Directory {
 public:
  template <class T>
  void put(T value) {
    const auto raw = bytes_of(value);
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
  }
  void put_text(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  void put_origin(const PackedOrigin& origin, uint64_t fingerprint) {
    put_text(origin.path);
    put(static_cast<uint32_t>(origin.files.size()));
    for (const FileStamp& stamp : origin.files) {
      put(stamp.bytes);
      put(stamp.modified_ns);
      put(stamp.changed_ns);
    }
    put(origin.directory_hash);
    put(fingerprint);
  }
  void put_part(const PackedPart& part, uint64_t begin) {
    put(part.format != nullptr ? PartKind::kMatrix : PartKind::kFloats);
    put_text(part.name);
    if (part.format != nullptr) {
      put_text(part.format->name);
      const auto [it, is_new] = layouts_.try_emplace(part.format, 0);
      if (is_new) it->second = layout_hash(*part.format);
      put(it->second);
    }
    put(part.n_out);
    put(part.k);
    put(begin);
    put(uint64_t{part.bytes.size()});
  }
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
  std::map<const BlockFormat*, uint64_t> layouts_;
};

}  // namespace

Status write_packed_cache(const std::string& path, const PackedOrigin& origin, uint64_t fingerprint,
                          std::span<const PackedPart> parts, const std::atomic<bool>& stop) {
  MARU_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  ContentStream content(file, stop);
  Directory directory;
  directory.put_origin(origin, fingerprint);
  directory.put(static_cast<uint32_t>(parts.size()));
  MARU_RETURN_IF_ERROR(content.put(bytes_of(Head{})));
  for (const PackedPart& part : parts) {
    directory.put_part(part, content.offset());
    MARU_RETURN_IF_ERROR(content.put(part.bytes));
    MARU_RETURN_IF_ERROR(content.pad());
  }
  MARU_RETURN_IF_ERROR(content.end_chunk());
  for (const uint64_t checksum : content.checksums()) directory.put(checksum);
  Foot foot;
  foot.directory_begin = content.offset();
  foot.directory_bytes = directory.bytes().size();
  foot.directory_checksum = checksum64(directory.bytes());
  foot.file_bytes = foot.directory_begin + foot.directory_bytes + sizeof(foot);
  foot.foot_checksum = checksum64(bytes_of(foot).first(sizeof(foot) - sizeof(foot.foot_checksum)));
  MARU_RETURN_IF_ERROR(file.write(directory.bytes()));
  MARU_RETURN_IF_ERROR(file.write(bytes_of(foot)));
  return file.commit();
}

uint64_t layout_hash(const BlockFormat& format) {
  constexpr size_t k = 256;
  constexpr std::align_val_t kPanelAlignment{kAlignment};
  // Without these bits no float among the bytes is infinite or none at all.
  constexpr uint8_t kMask = 0x3B;
  const size_t row_bytes = format_bytes(format, k), panel_bytes = format.panel_bytes(k);
  std::vector<uint8_t> rows(kernels::kPanelRows * row_bytes);
  uint32_t state = 1;
  for (uint8_t& byte : rows) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24) & kMask;
  }
  const uint8_t* sources[kernels::kPanelRows];
  for (size_t i = 0; i < kernels::kPanelRows; ++i) sources[i] = rows.data() + i * row_bytes;
  const auto free_panel = [](uint8_t* p) { ::operator delete[](p, kPanelAlignment); };
  const std::unique_ptr<uint8_t[], decltype(free_panel)> panel(
      new (kPanelAlignment) uint8_t[panel_bytes], free_panel);
  std::memset(panel.get(), 0, panel_bytes);
  format.pack_panel(sources, k, panel.get());
  const std::string_view name = format.name;
  return checksum64({panel.get(), panel_bytes}) ^ panel_bytes ^
         checksum64({reinterpret_cast<const uint8_t*>(name.data()), name.size()});
}

}  // namespace maru::tensor
