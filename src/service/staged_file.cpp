#include "service/staged_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/files.h"
#include "base/io_error.h"

namespace maru::service {
namespace {

constexpr size_t kMaxMapBytes = size_t{64} << 20;
constexpr mode_t kMode = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;

Status write_all(int fd, const std::string& path, uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error("write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<StagedFile>> StagedFile::open(const std::string& path,
                                                     const std::string& map_path,
                                                     const std::string& identity, uint64_t size) {
  std::unique_ptr<StagedFile> file(new StagedFile(path, map_path, identity, size));
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  file->fd_ = ::open(path.c_str(), kFlags, kMode);
  if (file->fd_ < 0) return io_error("create", path);
  file->map_fd_ = ::open(map_path.c_str(), kFlags, kMode);
  if (file->map_fd_ < 0) return io_error("create", map_path);
  file->cells_.assign((size + kCellBytes - 1) / kCellBytes, Cell::kOpen);
  file->is_claimed_.assign(file->cells_.size(), false);
  MARU_RETURN_IF_ERROR(file->read_map());
  return file;
}

StagedFile::~StagedFile() {
  if (fd_ >= 0) ::close(fd_);
  if (map_fd_ >= 0) ::close(map_fd_);
}

// "<identity> <size>\n<etag>\n<cells>"
Status StagedFile::read_map() {
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(map_path_, kMaxMapBytes));
  const std::string first = fmt::format("{} {}\n", identity_, size_);
  struct stat status = {};
  if (::fstat(fd_, &status) != 0) return io_error("read", path_);
  const size_t line = text.find('\n', first.size());
  const bool is_ours = text.starts_with(first) && line != text.npos &&
                       text.size() == line + 1 + cells_.size() &&
                       static_cast<uint64_t>(status.st_size) == size_;
  if (!is_ours) return reset();
  etag_ = text.substr(first.size(), line - first.size());
  head_bytes_ = line + 1;
  for (size_t i = 0; i < cells_.size(); ++i) {
    if (text[head_bytes_ + i] == static_cast<char>(Cell::kDone)) {
      mark_done(i);
      was_resumed_ = true;
    }
  }
  return {};
}

Status StagedFile::write_head() {
  std::string text = fmt::format("{} {}\n{}\n", identity_, size_, etag_);
  head_bytes_ = text.size();
  for (const Cell cell : cells_) text += static_cast<char>(cell);
  // A torn write leaves a map of another length, which counts for nothing.
  if (::ftruncate(map_fd_, 0) != 0) return io_error("write", map_path_);
  return write_all(map_fd_, map_path_, 0, text);
}

Status StagedFile::reset() {
  const std::lock_guard lock(mutex_);
  std::fill(cells_.begin(), cells_.end(), Cell::kOpen);
  std::fill(is_claimed_.begin(), is_claimed_.end(), false);
  done_bytes_ = 0;
  etag_.clear();
  was_resumed_ = false;
  MARU_RETURN_IF_ERROR(write_head());
  if (::ftruncate(fd_, 0) != 0 || ::ftruncate(fd_, static_cast<off_t>(size_)) != 0) {
    return io_error("size", path_);
  }
  return {};
}

uint64_t StagedFile::cell_end(size_t cell) const {
  return std::min(size_, (cell + 1) * kCellBytes);
}

std::optional<StagedFile::Span> StagedFile::claim(uint64_t max_bytes) {
  const std::lock_guard lock(mutex_);
  const auto is_free = [&](size_t i) { return cells_[i] == Cell::kOpen && !is_claimed_[i]; };
  size_t first = 0;
  while (first < cells_.size() && !is_free(first)) ++first;
  if (first == cells_.size()) return std::nullopt;
  size_t last = first;
  while (last < cells_.size() && is_free(last) &&
         (last == first || cell_end(last) - first * kCellBytes <= max_bytes)) {
    is_claimed_[last] = true;
    ++last;
  }
  return Span{first * kCellBytes, cell_end(last - 1)};
}

void StagedFile::release(const Span& span) {
  const std::lock_guard lock(mutex_);
  for (size_t i = span.begin / kCellBytes; i < cells_.size() && i * kCellBytes < span.end; ++i) {
    is_claimed_[i] = false;
  }
}

Status StagedFile::write(uint64_t begin, uint64_t offset, std::span<const uint8_t> bytes) {
  MARU_CHECK(begin % kCellBytes == 0 && offset >= begin && offset + bytes.size() <= size_);
  MARU_RETURN_IF_ERROR(
      write_all(fd_, path_, offset, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  const uint64_t end = offset + bytes.size();
  const std::lock_guard lock(mutex_);
  // Cells that end within what was just written are whole now.
  for (size_t i = offset / kCellBytes; i < cells_.size() && cell_end(i) <= end; ++i) {
    if (cells_[i] == Cell::kDone) continue;
    mark_done(i);
    MARU_RETURN_IF_ERROR(write_all(map_fd_, map_path_, head_bytes_ + i,
                                   std::string(1, static_cast<char>(Cell::kDone))));
  }
  return {};
}

bool StagedFile::is_complete() const { return done_bytes() == size_; }

uint64_t StagedFile::done_bytes() const {
  const std::lock_guard lock(mutex_);
  return done_bytes_;
}

void StagedFile::mark_done(size_t cell) {
  cells_[cell] = Cell::kDone;
  done_bytes_ += cell_end(cell) - cell * kCellBytes;
}

std::string StagedFile::etag() const {
  const std::lock_guard lock(mutex_);
  return etag_;
}

Status StagedFile::set_etag(const std::string& etag) {
  const std::lock_guard lock(mutex_);
  if (etag == etag_) return {};
  etag_ = etag;
  return write_head();
}

}  // namespace maru::service
