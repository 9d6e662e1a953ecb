#include "engine/prefix_segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/checksum.h"
#include "base/sha256.h"

namespace maru::engine {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers are stored as they lie in memory");

constexpr std::array<uint8_t, 8> kMagic = {'M', 'A', 'R', 'U', 'K', 'V', '0', '1'};
constexpr size_t kHeaderBytes = 64;
constexpr size_t kEntryHeadBytes = 48;  // all but tokens
constexpr size_t kChecksumBytes = 8;
constexpr uint64_t kMaxIndexBytes = uint64_t{1} << 30;

template <class T>
void put(std::vector<uint8_t>& out, const T& value) {
  const size_t at = out.size();
  out.resize(at + sizeof(value));
  std::memcpy(out.data() + at, &value, sizeof(value));
}

// Reads one value and moves on; the caller has checked the size.
template <class T>
T get(const uint8_t*& p) {
  T value;
  std::memcpy(&value, p, sizeof(value));
  p += sizeof(value);
  return value;
}

void put_checksum(std::vector<uint8_t>& out) {
  const uint64_t checksum = checksum64(out);
  put(out, checksum);
}

// Whether the last eight bytes are the checksum of those before them.
bool is_whole(std::span<const uint8_t> bytes) {
  const size_t n = bytes.size() - kChecksumBytes;
  const uint8_t* p = bytes.data() + n;
  return get<uint64_t>(p) == checksum64(bytes.first(n));
}

Error file_error(const char* verb, const std::string& path) {
  return {ErrorCode::kUnavailable,
          fmt::format("cannot {} '{}': {}", verb, path, std::strerror(errno)),
          "check the disk's free space and the folder's permissions"};
}

bool write_all(int fd, std::span<const uint8_t> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

bool read_all(int fd, std::span<uint8_t> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

uint64_t size_of(int fd) {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

std::string stem_of(const std::string& folder, uint64_t number) {
  return fmt::format("{}/{:08}", folder, number);
}

}  // namespace

size_t SegmentFormat::entry_bytes() const {
  return kEntryHeadBytes + sizeof(TokenId) * page_tokens;
}

SegmentFormat make_segment_format(const std::string& identity, const models::KvLayout& layout) {
  SegmentFormat format;
  format.page_tokens = layout.page_tokens;
  Sha256 sha;
  sha.add(std::string_view(reinterpret_cast<const char*>(kMagic.data()), kMagic.size()));
  sha.add(uint64_t{identity.size()});
  sha.add(identity);
  sha.add(uint64_t{layout.page_tokens});
  sha.add(static_cast<uint64_t>(layout.type));
  for (size_t g = 0; g < layout.groups.size(); ++g) {
    const models::KvGroup& group = layout.groups[g];
    sha.add(uint64_t{group.window});
    sha.add(uint64_t{group.n_layers});
    sha.add(uint64_t{layout.page_bytes(g)});
    format.page_bytes.push_back(layout.page_bytes(g));
  }
  format.identity = sha.finish();
  return format;
}

std::vector<uint8_t> encode_header(const SegmentFormat& format) {
  std::vector<uint8_t> out;
  put(out, kMagic);
  put(out, format.identity);
  put(out, format.page_tokens);
  put(out, static_cast<uint32_t>(format.page_bytes.size()));
  out.resize(kHeaderBytes - kChecksumBytes);
  put_checksum(out);
  return out;
}

std::vector<uint8_t> encode_entry(const SegmentEntry& entry) {
  std::vector<uint8_t> out;
  put(out, entry.digest.bytes);
  put(out, entry.group);
  put(out, entry.index);
  put(out, entry.offset);
  put(out, entry.checksum);
  for (const TokenId token : entry.tokens) put(out, token);
  put_checksum(out);
  return out;
}

Result<SegmentIndex> decode_index(std::span<const uint8_t> bytes, const SegmentFormat& format,
                                  uint64_t pages_size) {
  const std::vector<uint8_t> header = encode_header(format);
  if (bytes.size() < header.size() || !std::ranges::equal(bytes.first(header.size()), header)) {
    return Error{ErrorCode::kInvalidArgument, "the index has no header of this model and layout",
                 "delete the file; it is made anew"};
  }
  SegmentIndex index;
  const size_t step = format.entry_bytes();
  index.n_places = (bytes.size() - header.size()) / step;
  for (uint64_t i = 0; i < index.n_places; ++i) {
    const auto part = bytes.subspan(header.size() + i * step, step);
    ++index.n_damaged;  // taken back at the end
    if (!is_whole(part)) continue;
    SegmentEntry entry;
    const uint8_t* p = part.data();
    entry.digest.bytes = get<decltype(entry.digest.bytes)>(p);
    entry.group = get<uint32_t>(p);
    entry.index = get<uint32_t>(p);
    entry.offset = get<uint64_t>(p);
    entry.checksum = get<uint64_t>(p);
    if (entry.group >= format.page_bytes.size()) continue;
    const uint64_t n_bytes = format.page_bytes[entry.group];
    if (n_bytes > pages_size || entry.offset > pages_size - n_bytes) continue;
    entry.tokens.resize(format.page_tokens);
    std::memcpy(entry.tokens.data(), p, sizeof(TokenId) * format.page_tokens);
    index.entries.push_back(std::move(entry));
    --index.n_damaged;
  }
  return index;
}

SegmentFile::SegmentFile(const std::string& folder, uint64_t number)
    : stem_(stem_of(folder, number)), number_(number) {}

SegmentFile::~SegmentFile() {
  if (index_fd_ >= 0) ::close(index_fd_);
  if (pages_fd_ >= 0) ::close(pages_fd_);
}

Status SegmentFile::open_files(int flags) {
  const auto open_one = [&](const std::string& path, int& fd) -> Status {
    fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, S_IRUSR | S_IWUSR);
    if (fd < 0) return file_error("open", path);
    return {};
  };
  MARU_RETURN_IF_ERROR(open_one(stem_ + ".pages", pages_fd_));
  return open_one(stem_ + ".index", index_fd_);
}

Result<std::shared_ptr<SegmentFile>> SegmentFile::create(const std::string& folder, uint64_t number,
                                                         const SegmentFormat& format) {
  std::shared_ptr<SegmentFile> file(new SegmentFile(folder, number));
  MARU_RETURN_IF_ERROR(file->open_files(O_CREAT | O_TRUNC));
  const std::vector<uint8_t> header = encode_header(format);
  if (!write_all(file->index_fd_, header, 0)) return file_error("write", file->stem_ + ".index");
  file->index_end_ = header.size();
  return file;
}

Result<std::shared_ptr<SegmentFile>> SegmentFile::open(const std::string& folder, uint64_t number,
                                                       const SegmentFormat& format,
                                                       SegmentIndex& index) {
  std::shared_ptr<SegmentFile> file(new SegmentFile(folder, number));
  MARU_RETURN_IF_ERROR(file->open_files(0));
  std::vector<uint8_t> bytes(
      static_cast<size_t>(std::min(size_of(file->index_fd_), kMaxIndexBytes)));
  if (!read_all(file->index_fd_, bytes, 0)) return file_error("read", file->stem_ + ".index");
  MARU_ASSIGN_OR_RETURN(index, decode_index(bytes, format, size_of(file->pages_fd_)));
  file->index_end_ = kHeaderBytes + index.n_places * format.entry_bytes();
  for (const SegmentEntry& entry : index.entries) {
    file->pages_end_ = std::max(file->pages_end_, entry.offset + format.page_bytes[entry.group]);
  }
  return file;
}

// Rows first: an entry that can be read then speaks of rows that were written, unless the machine
// itself went down; the checksum tells.
Status SegmentFile::append(SegmentEntry& entry, std::span<const uint8_t> rows) {
  entry.offset = pages_end_;
  entry.checksum = checksum64(rows);
  if (!write_all(pages_fd_, rows, pages_end_)) return file_error("write", stem_ + ".pages");
  const std::vector<uint8_t> bytes = encode_entry(entry);
  if (!write_all(index_fd_, bytes, index_end_)) return file_error("write", stem_ + ".index");
  pages_end_ += rows.size();
  index_end_ += bytes.size();
  return {};
}

bool SegmentFile::read(const SegmentEntry& entry, std::span<uint8_t> rows) const {
  return read_all(pages_fd_, rows, entry.offset) && checksum64(rows) == entry.checksum;
}

void SegmentFile::remove(const std::string& folder, uint64_t number) {
  // The index first: rows without an entry are never read.
  ::unlink((stem_of(folder, number) + ".index").c_str());
  ::unlink((stem_of(folder, number) + ".pages").c_str());
}

}  // namespace maru::engine
