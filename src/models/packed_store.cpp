#include "models/packed_store.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <system_error>

#include "base/checksum.h"

namespace maru::models {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".packed";
// A cache saves time; the disk has more important things to hold.
constexpr uint64_t kDiskReserve = uint64_t{512} << 20;
constexpr size_t kMaxStem = 64;

std::string stem_of(const std::string& path) {
  std::string stem = fs::path(path).stem().string().substr(0, kMaxStem);
  for (char& c : stem) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!plain) c = '_';
  }
  return stem;
}

bool is_old(const fs::path& path) {
  constexpr std::chrono::hours kAbandoned{24};
  std::error_code code;
  const auto written = fs::last_write_time(path, code);
  return !code && fs::file_time_type::clock::now() - written > kAbandoned;
}

}  // namespace

std::string PackedStore::path_of(const tensor::PackedOrigin& origin) const {
  const auto* raw = reinterpret_cast<const uint8_t*>(origin.path.data());
  return fmt::format("{}/{}-{:016x}{}", folder_, stem_of(origin.path),
                     checksum64({raw, origin.path.size()}), kSuffix);
}

Result<tensor::PackedCache> PackedStore::find(const tensor::PackedOrigin& origin) const {
  MARU_ASSIGN_OR_RETURN(tensor::PackedCache cache, tensor::PackedCache::open(path_of(origin)));
  if (cache.origin() == origin) return cache;
  return Error{ErrorCode::kConflict, origin.path + " has changed since its weights were packed"};
}

Status PackedStore::write(const tensor::PackedOrigin& origin, uint64_t fingerprint,
                          std::span<const tensor::PackedPart> parts,
                          const std::atomic<bool>& stop) const {
  std::error_code code;
  fs::create_directories(folder_, code);
  const fs::space_info space = fs::space(folder_, code);
  if (code) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("cannot make the folder '{}': {}", folder_, code.message()),
                 "check the path and its permissions"};
  }
  remove_orphans();
  uint64_t n_bytes = 0;
  for (const tensor::PackedPart& part : parts) n_bytes += part.bytes.size();
  if (space.available < n_bytes + kDiskReserve) {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("{} has {} MiB left; packed weights of {} MiB should leave {} MiB",
                             folder_, space.available >> 20, n_bytes >> 20, kDiskReserve >> 20),
                 "free disk space"};
  }
  return tensor::write_packed_cache(path_of(origin), origin, fingerprint, parts, stop);
}

void PackedStore::remove(const tensor::PackedOrigin& origin) const {
  std::error_code code;
  fs::remove(path_of(origin), code);
}

// Files of models that are not there any more, of other versions, and what a crash left half done.
void PackedStore::remove_orphans() const {
  std::error_code code;
  for (fs::directory_iterator it(folder_, code), end; !code && it != end; it.increment(code)) {
    const fs::path& path = it->path();
    const std::string name = path.filename().string();
    std::error_code ignored;
    if (name.find(std::string(kSuffix) + ".tmp.") != std::string::npos) {
      if (is_old(path)) fs::remove(path, ignored);
    } else if (name.ends_with(kSuffix)) {
      const auto cache = tensor::PackedCache::open(path.string());
      const bool is_orphan = cache ? !fs::exists(cache->origin().path, ignored)
                                   : cache.error().code == ErrorCode::kCorrupt;
      if (is_orphan) fs::remove(path, ignored);
    }
  }
}

}  // namespace maru::models
