// The folder where packed weights are kept between starts: one file for each model, by its path.
// Thread-safe; several processes may use one folder.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "tensor/packed_cache.h"

namespace maru::models {

class PackedStore {
 public:
  // `folder`: usually data_folder() + "/cache/packed". Made when the first file is written.
  explicit PackedStore(std::string folder) : folder_(std::move(folder)) {}

  // The cache of this origin. Errors: kNotFound (none yet), kConflict (of another state of the
  // model's files), kCorrupt.
  Result<tensor::PackedCache> find(const tensor::PackedOrigin& origin) const;

  // Writes one and removes those whose model is gone. Errors: those of write_packed_cache;
  // kUnavailable where the disk would be left with too little.
  Status write(const tensor::PackedOrigin& origin, uint64_t fingerprint,
               std::span<const tensor::PackedPart> parts, const std::atomic<bool>& stop) const;

  // Of a damaged cache: the next start packs again.
  void remove(const tensor::PackedOrigin& origin) const;

 private:
  std::string path_of(const tensor::PackedOrigin& origin) const;
  void remove_orphans() const;

  std::string folder_;
};

}  // namespace maru::models
