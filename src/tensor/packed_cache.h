// A file with the packed weights of one model, written once and mapped at later starts
// (docs/formats/packed-cache.md). A cache: whatever is wrong with it, the model's own files have
// the truth. Mapped pages are clean and belong to the file, so that the system counts them once for
// all processes and can take them back.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/packed_weight.h"

namespace maru::tensor {

// The files that weights were packed from. A cache is used for an equal origin only.
struct PackedOrigin {
  std::string path;  // of the model, absolute
  std::vector<FileStamp> files;
  uint64_t directory_hash = 0;  // of configuration and tensor directory
  bool operator==(const PackedOrigin&) const = default;
};

// One tensor to be written: panels, or floats if `format` is null. The bytes belong to others.
struct PackedPart {
  std::string name;
  const BlockFormat* format = nullptr;
  uint64_t n_out = 0;  // of floats: their number
  uint64_t k = 1;
  std::span<const uint8_t> bytes;
};

// Immutable; thread-safe.
class PackedCache {
 public:
  // Checks everything but the tensors' content. Errors: kNotFound, kCorrupt (damaged, cut short, or
  // of another version or layout).
  static Result<PackedCache> open(const std::string& path);
  // The same over bytes in memory at a multiple of 64, which outlive the object.
  static Result<PackedCache> parse(std::span<const uint8_t> bytes);

  const PackedOrigin& origin() const { return origin_; }
  uint64_t fingerprint() const { return fingerprint_; }  // models::ModelInfo::fingerprint
  uint64_t bytes() const { return bytes_.size(); }
  const MappedFile& file() const { return file_; }
  const std::vector<PackedPart>& parts() const { return parts_; }

  // Views into the file. Errors: kCorrupt (absent, or of another format or shape).
  Result<PackedWeight> matrix(std::string_view name, const BlockFormat& format, uint64_t n_out,
                              uint64_t k) const;
  Result<std::span<const float>> floats(std::string_view name, uint64_t n) const;

  // Reads all content and compares checksums. Errors: kCorrupt. The second form is for a thread
  // that must not use the pool, and ends early (without an error) once `stop` is set.
  Status verify(ThreadPool& pool) const;
  Status verify(const std::atomic<bool>& stop) const;

 private:
  class Parser;
  Result<const PackedPart*> find(std::string_view name, const BlockFormat* format, uint64_t n_out,
                                 uint64_t k) const;
  bool is_intact(size_t chunk) const;

  MappedFile file_;
  std::span<const uint8_t> bytes_;
  PackedOrigin origin_;
  uint64_t fingerprint_ = 0;
  std::vector<PackedPart> parts_;
  std::unordered_map<std::string_view, size_t> index_;  // views of parts_[i].name
  std::span<const uint8_t> content_;                    // what the checksums cover
  std::vector<uint64_t> checksums_;                     // of each chunk
};

// Writes the file under a temporary name, syncs and renames it. Errors: kInvalidArgument (the
// folder), kUnavailable (the disk is full or fails; `stop` was set).
Status write_packed_cache(const std::string& path, const PackedOrigin& origin, uint64_t fingerprint,
                          std::span<const PackedPart> parts, const std::atomic<bool>& stop);

// Differs between formats and between ways to pack one: of a fixed panel as pack_panel() makes it.
uint64_t layout_hash(const BlockFormat& format);

}  // namespace maru::tensor
