// A file written in parts that appears under its name only when it is complete and on the disk:
// readers see the old content or the new one, also after a crash. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace maru {

class AtomicFile {
 public:
  // Begins under a temporary name beside `path`, readable for its owner alone. Errors:
  // kInvalidArgument (the folder is not there or not writable), kUnavailable (the disk).
  static Result<AtomicFile> create(const std::string& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // removes what was not committed

  // Appends. Errors: kUnavailable (the disk is full or fails).
  Status write(std::span<const uint8_t> bytes);
  // Syncs and renames.
  Status commit();

 private:
  AtomicFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

  std::string path_, temporary_;
  int fd_;
};

}  // namespace maru
