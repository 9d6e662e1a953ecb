// A file mapped read-only into memory. The bytes stay valid for the object's life; a file that
// another process truncates meanwhile raises SIGBUS, so model files must not be edited in place.
// Thread-safe for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace maru {

// What changes when a file is written or replaced.
struct FileStamp {
  uint64_t bytes = 0;
  int64_t modified_ns = 0;  // content, since 1970; a copy may keep it
  int64_t changed_ns = 0;   // content, name or rights; the system sets it
  bool operator==(const FileStamp&) const = default;
};

class MappedFile {
 public:
  // Errors: kNotFound, kInvalidArgument (a folder, no permission), kUnavailable (mmap refused).
  static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  const FileStamp& stamp() const { return stamp_; }  // when it was opened

  // Tells the kernel that all of it will be read soon.
  void read_ahead() const;
  // Tells the kernel that the pages of this range are not needed any more (after packing).
  void drop_pages(size_t offset, size_t size) const;

 private:
  std::string path_;
  FileStamp stamp_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace maru
