#include "tensor/packed_cache.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/checksum.h"
#include "formats/byte_reader.h"
#include "tensor/packed_cache_form.h"

namespace maru::tensor {

using namespace packed_form;

namespace {

// Limits far above real models; they bound memory before anything is allocated.
constexpr uint64_t kMaxExtent = uint64_t{1} << 32;
constexpr uint32_t kMaxFiles = 4096;
constexpr uint64_t kMaxText = uint64_t{1} << 16;
// The smallest encoding of a part: kind, name length, shape, place.
constexpr uint64_t kMinPartBytes = 1 + 4 + 4 * 8;

Error damaged(const std::string& why) {
  return {ErrorCode::kCorrupt, "the packed weights " + why, "they are packed again by themselves"};
}

}  // namespace

class PackedCache::Parser {
 public:
  Parser(std::span<const uint8_t> bytes, PackedCache& cache) : bytes_(bytes), cache_(cache) {}

  Status parse() {
    MARU_RETURN_IF_ERROR(read_foot());
    formats::ByteReader reader(bytes_.subspan(foot_.directory_begin, foot_.directory_bytes));
    MARU_RETURN_IF_ERROR(read_origin(reader));
    MARU_RETURN_IF_ERROR(read_parts(reader));
    const uint64_t n_chunks = (foot_.directory_begin + kChunk - 1) / kChunk;
    if (reader.remaining() != n_chunks * sizeof(uint64_t))
      return damaged("have a directory of another length than it needs");
    cache_.checksums_.resize(n_chunks);
    MARU_ASSIGN_OR_RETURN(const auto raw, reader.read_bytes(reader.remaining(), "checksums"));
    std::memcpy(cache_.checksums_.data(), raw.data(), raw.size());
    cache_.bytes_ = bytes_;
    cache_.content_ = bytes_.first(foot_.directory_begin);
    return {};
  }

 private:
  Status read_foot() {
    Head head;
    if (bytes_.size() < sizeof(Head) + sizeof(Foot)) return damaged("are cut short");
    std::memcpy(&head, bytes_.data(), sizeof(head));
    if (head.magic != kMagic) return damaged("have another magic number");
    if (head.version != kVersion)
      return damaged("are of version " + std::to_string(head.version) + ", not " +
                     std::to_string(kVersion));
    std::memcpy(&foot_, bytes_.data() + bytes_.size() - sizeof(foot_), sizeof(foot_));
    const auto* raw = reinterpret_cast<const uint8_t*>(&foot_);
    if (foot_.foot_checksum != checksum64({raw, sizeof(foot_) - sizeof(foot_.foot_checksum)}) ||
        foot_.version != kVersion || foot_.file_bytes != bytes_.size())
      return damaged("are cut short or their last bytes are damaged");
    const uint64_t before_foot = bytes_.size() - sizeof(foot_);
    if (foot_.directory_begin < sizeof(Head) || foot_.directory_begin > before_foot ||
        foot_.directory_bytes != before_foot - foot_.directory_begin)
      return damaged("place their directory outside of the file");
    if (checksum64(bytes_.subspan(foot_.directory_begin, foot_.directory_bytes)) !=
        foot_.directory_checksum)
      return damaged("have a damaged directory");
    return {};
  }

  static Result<std::string> read_text(formats::ByteReader& reader) {
    MARU_ASSIGN_OR_RETURN(const uint32_t n, reader.read<uint32_t>("a length"));
    if (n > kMaxText) return damaged("hold a text of " + std::to_string(n) + " bytes");
    MARU_ASSIGN_OR_RETURN(const auto raw, reader.read_bytes(n, "a text"));
    return std::string(reinterpret_cast<const char*>(raw.data()), raw.size());
  }

  Status read_origin(formats::ByteReader& reader) {
    MARU_ASSIGN_OR_RETURN(cache_.origin_.path, read_text(reader));
    MARU_ASSIGN_OR_RETURN(const uint32_t n_files, reader.read<uint32_t>("the number of files"));
    if (n_files > kMaxFiles) return damaged("name too many files");
    for (uint32_t i = 0; i < n_files; ++i) {
      FileStamp& stamp = cache_.origin_.files.emplace_back();
      MARU_ASSIGN_OR_RETURN(stamp.bytes, reader.read<uint64_t>("a size"));
      MARU_ASSIGN_OR_RETURN(stamp.modified_ns, reader.read<int64_t>("a time"));
      MARU_ASSIGN_OR_RETURN(stamp.changed_ns, reader.read<int64_t>("a time"));
    }
    MARU_ASSIGN_OR_RETURN(cache_.origin_.directory_hash, reader.read<uint64_t>("a hash"));
    MARU_ASSIGN_OR_RETURN(cache_.fingerprint_, reader.read<uint64_t>("a fingerprint"));
    return {};
  }

  Status read_parts(formats::ByteReader& reader) {
    MARU_ASSIGN_OR_RETURN(const uint32_t n_parts, reader.read<uint32_t>("the number of parts"));
    if (n_parts > reader.remaining() / kMinPartBytes)
      return damaged("announce more parts than their directory holds");
    cache_.parts_.reserve(n_parts);  // never grows later: the index views its names
    for (uint32_t i = 0; i < n_parts; ++i) {
      MARU_RETURN_IF_ERROR(read_part(reader));
      if (!cache_.index_.emplace(cache_.parts_.back().name, i).second)
        return damaged("name a part twice");
    }
    return {};
  }

  Status read_part(formats::ByteReader& reader) {
    PackedPart part;
    MARU_ASSIGN_OR_RETURN(const uint8_t kind, reader.read<uint8_t>("a kind"));
    if (kind > static_cast<uint8_t>(PartKind::kFloats)) return damaged("hold an unknown part");
    MARU_ASSIGN_OR_RETURN(part.name, read_text(reader));
    if (kind == static_cast<uint8_t>(PartKind::kMatrix)) {
      MARU_ASSIGN_OR_RETURN(const std::string format, read_text(reader));
      MARU_ASSIGN_OR_RETURN(const uint64_t layout, reader.read<uint64_t>("a layout"));
      part.format = find_format(format);
      if (part.format == nullptr || layout_of(*part.format) != layout)
        return damaged("are in a layout that this version does not use");
    }
    MARU_ASSIGN_OR_RETURN(part.n_out, reader.read<uint64_t>("a shape"));
    MARU_ASSIGN_OR_RETURN(part.k, reader.read<uint64_t>("a shape"));
    MARU_ASSIGN_OR_RETURN(const uint64_t begin, reader.read<uint64_t>("a place"));
    MARU_ASSIGN_OR_RETURN(const uint64_t n_bytes, reader.read<uint64_t>("a size"));
    MARU_RETURN_IF_ERROR(check_shape(part, n_bytes));
    if (begin % kAlignment != 0 || begin < sizeof(Head) || begin > foot_.directory_begin ||
        n_bytes > foot_.directory_begin - begin)
      return damaged("place a part outside of their content");
    part.bytes = bytes_.subspan(begin, n_bytes);
    cache_.parts_.push_back(std::move(part));
    return {};
  }

  static Status check_shape(const PackedPart& part, uint64_t n_bytes) {
    if (part.n_out == 0 || part.k == 0 || part.n_out > kMaxExtent || part.k > kMaxExtent)
      return damaged("hold a part of an impossible shape");
    uint64_t expected = part.n_out * sizeof(float);
    if (part.format == nullptr) {
      if (part.k != 1) return damaged("hold a vector of rank two");
    } else {
      if (part.k % part.format->block_values != 0)
        return damaged("hold a matrix that does not fit its format");
      const uint64_t n_panels = (part.n_out + kernels::kPanelRows - 1) / kernels::kPanelRows;
      if (!formats::multiply(n_panels, part.format->panel_bytes(part.k), expected))
        return damaged("hold a part of an impossible shape");
    }
    if (n_bytes != expected) return damaged("hold a part of another size than its shape needs");
    return {};
  }

  uint64_t layout_of(const BlockFormat& format) {
    const auto [it, is_new] = layouts_.try_emplace(&format, 0);
    if (is_new) it->second = layout_hash(format);
    return it->second;
  }

  std::span<const uint8_t> bytes_;
  PackedCache& cache_;
  Foot foot_;
  std::map<const BlockFormat*, uint64_t> layouts_;
};

Result<PackedCache> PackedCache::open(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  auto cache = parse(file.bytes());
  if (!cache) {
    cache.error().message = path + ": " + cache.error().message;
    return cache;
  }
  cache->file_ = std::move(file);
  return cache;
}

Result<PackedCache> PackedCache::parse(std::span<const uint8_t> bytes) {
  PackedCache cache;
  MARU_RETURN_IF_ERROR(Parser(bytes, cache).parse());
  return cache;
}

Result<const PackedPart*> PackedCache::find(std::string_view name, const BlockFormat* format,
                                            uint64_t n_out, uint64_t k) const {
  const auto it = index_.find(name);
  if (it == index_.end()) return damaged("lack " + std::string(name));
  const PackedPart& part = parts_[it->second];
  if (part.format != format || part.n_out != n_out || part.k != k)
    return damaged("have another shape of " + part.name);
  return &part;
}

Result<PackedWeight> PackedCache::matrix(std::string_view name, const BlockFormat& format,
                                         uint64_t n_out, uint64_t k) const {
  MARU_ASSIGN_OR_RETURN(const PackedPart* part, find(name, &format, n_out, k));
  return PackedWeight::view(format, n_out, k, part->bytes.data());
}

Result<std::span<const float>> PackedCache::floats(std::string_view name, uint64_t n) const {
  MARU_ASSIGN_OR_RETURN(const PackedPart* part, find(name, nullptr, n, 1));
  return std::span(reinterpret_cast<const float*>(part->bytes.data()), n);
}

bool PackedCache::is_intact(size_t chunk) const {
  const size_t begin = chunk * kChunk;
  const auto bytes = content_.subspan(begin, std::min(kChunk, content_.size() - begin));
  return checksum64(bytes) == checksums_[chunk];
}

Status PackedCache::verify(ThreadPool& pool) const {
  std::atomic<bool> intact{true};
  pool.parallel_for(checksums_.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      if (!is_intact(i)) intact.store(false, std::memory_order_relaxed);
  });
  if (!intact.load()) return damaged("are damaged");
  return {};
}

Status PackedCache::verify(const std::atomic<bool>& stop) const {
  for (size_t i = 0; i < checksums_.size() && !stop.load(std::memory_order_relaxed); ++i)
    if (!is_intact(i))
      return damaged("are damaged in the MiB from byte " + std::to_string(i * kChunk));
  return {};
}

}  // namespace maru::tensor
