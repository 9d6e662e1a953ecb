#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/io_error.h"

namespace maru::store {

Result<FileLock> FileLock::take(const std::string& file, Mode mode, int patience_ms) {
  const std::string path = file + ".lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return io_error("open", path);
  FileLock lock(fd);
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(patience_ms);
  const int operation = (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  while (::flock(fd, operation) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return io_error("lock", path);
    if (Clock::now() >= deadline) {
      if (mode == Mode::kShared) {
        return Error{ErrorCode::kConflict,
                     "'" + file + "' is being restored or upgraded by another process",
                     "try again when it is done"};
      }
      return Error{ErrorCode::kConflict, "'" + file + "' is in use by another process",
                   "stop the server and other maru commands that use it"};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace maru::store
