#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/atomic_file.h"
#include "base/io_error.h"

namespace maru {
namespace {

// Closes a descriptor at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): never set after start
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Error io_error(const char* verb, const std::string& path) {
  const int code = errno;
  const std::string what =
      std::string("cannot ") + verb + " '" + path + "': " + std::strerror(code);
  switch (code) {
    case ENOENT:
    case ENOTDIR: return {ErrorCode::kNotFound, what, "check the path"};
    case ENOSPC:
    case EDQUOT:
    case EIO: return {ErrorCode::kUnavailable, what, "free disk space or check the disk"};
    default: return {ErrorCode::kInvalidArgument, what, "check the path and its permissions"};
  }
}

Result<std::string> read_file(const std::string& path, size_t max_bytes) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return io_error("open", path);
  std::string content;
  std::array<char, 65536> buffer;  // NOLINT(*-member-init): filled by read
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("read", path);
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<size_t>(n));
    if (content.size() > max_bytes) {
      return Error{ErrorCode::kTooLarge,
                   "'" + path + "' is larger than " + std::to_string(max_bytes) + " bytes",
                   "check that this is the file you meant"};
    }
  }
}

Status write_file_atomically(const std::string& path, std::string_view content) {
  MARU_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  MARU_RETURN_IF_ERROR(
      file.write({reinterpret_cast<const uint8_t*>(content.data()), content.size()}));
  return file.commit();
}

std::string data_folder() {
  if (std::string home = environment("MARU_HOME"); !home.empty()) return home;
  if (std::string data = environment("XDG_DATA_HOME"); !data.empty()) return data + "/maru";
  return environment("HOME") + "/.local/share/maru";
}

}  // namespace maru
