// Who uses a data file: everyone who has it open holds `<file>.lock` shared; who replaces the file
// or changes its tables holds it alone. The kernel releases it when the process ends, however it
// does. Not thread-safe; several locks of one file in one process count as several holders.
#pragma once

#include <string>

#include "base/result.h"

namespace maru::store {

class FileLock {
 public:
  enum class Mode { kShared, kAlone };

  // Tries for up to `patience_ms`. Errors: kConflict if others hold it in the way, kUnavailable and
  // kInvalidArgument if the lock's file cannot be made.
  static Result<FileLock> take(const std::string& file, Mode mode, int patience_ms);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace maru::store
