// A file that is fetched in pieces, by several hands and over several runs: which cells of it are
// done is kept beside it, so that a killed run loses at most the cells it was working on. After a
// power cut the map may promise too much, which the file's hash tells in the end. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace maru::service {

class StagedFile {
 public:
  static constexpr uint64_t kCellBytes = uint64_t{256} << 10;

  // Opens or makes `path` and its map; an older map counts only if it is of the same `identity`
  // (the content's expected hash) and size. Errors: those of the disk.
  static Result<std::unique_ptr<StagedFile>> open(const std::string& path,
                                                  const std::string& map_path,
                                                  const std::string& identity, uint64_t size);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  struct Span {
    uint64_t begin = 0, end = 0;  // bytes; begin is a cell's
  };
  // The first bytes that are neither done nor claimed, at most `max_bytes` of them; nullopt if
  // there are none.
  std::optional<Span> claim(uint64_t max_bytes);
  void release(const Span& span);  // what of it is not done may be claimed again

  // Writes at `offset`, up to which the span that starts at `begin` was filled in order before.
  // Cells that are whole now count as done.
  Status write(uint64_t begin, uint64_t offset, std::span<const uint8_t> bytes);

  // Forgets everything, claims too.
  Status reset();

  bool is_complete() const;
  bool was_resumed() const { return was_resumed_; }
  uint64_t done_bytes() const;
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // Of the server's file, that later pieces must be of; empty if unknown.
  std::string etag() const;
  Status set_etag(const std::string& etag);

 private:
  StagedFile(std::string path, std::string map_path, std::string identity, uint64_t size)
      : path_(std::move(path)),
        map_path_(std::move(map_path)),
        identity_(std::move(identity)),
        size_(size) {}
  Status read_map();
  Status write_head();  // and all cells
  void mark_done(size_t cell);
  uint64_t cell_end(size_t cell) const;

  enum class Cell : char { kOpen = '.', kDone = '#' };

  std::string path_, map_path_, identity_;
  uint64_t size_;
  int fd_ = -1, map_fd_ = -1;
  bool was_resumed_ = false;
  mutable std::mutex mutex_;
  std::string etag_;
  size_t head_bytes_ = 0;  // of the map, before the cells
  std::vector<Cell> cells_;
  uint64_t done_bytes_ = 0;
  std::vector<bool> is_claimed_;
};

}  // namespace maru::service
