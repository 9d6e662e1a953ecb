#include "service/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/atomic_file.h"
#include "base/files.h"
#include "base/io_error.h"
#include "base/sha256.h"
#include "service/clock.h"
#include "service/model_staging.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;
using Stage = PullProgress::Stage;

constexpr std::string_view kMagic = "MARUBNDL";
constexpr uint32_t kVersion = 1;
constexpr std::string_view kKeyMark = "ed25519:";
// Signed in front of the manifest, so that a signature made for something else is none here.
constexpr std::string_view kPurpose = "maru bundle 1\n";
constexpr size_t kPiece = size_t{1} << 20;
constexpr int kBase64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

static_assert(crypto_sign_PUBLICKEYBYTES == 32 && crypto_sign_SECRETKEYBYTES == 64 &&
              crypto_sign_BYTES == 64);

Error broken(const std::string& what) {
  return {ErrorCode::kCorrupt, fmt::format("the bundle is broken: {}", what),
          "copy it again; nothing was brought in"};
}

Status ready() {
  if (sodium_init() < 0) return Error{ErrorCode::kInternal, "libsodium can't start"};
  return {};
}

uint32_t little_endian(std::span<const uint8_t> bytes) {
  return uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 |
         uint32_t{bytes[3]} << 24;
}

void append_number(std::vector<uint8_t>& out, uint32_t number) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(number >> (8 * i)));
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string signed_text(const std::string& manifest_text) {
  return std::string(kPurpose) + manifest_text;
}

std::string base64(std::span<const uint8_t> bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), kBase64), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kBase64);
  text.pop_back();  // its NUL
  return text;
}

// False unless `text` is just so many bytes.
bool from_base64(const std::string& text, std::span<uint8_t> bytes) {
  size_t n = 0;
  return sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &n,
                           nullptr, kBase64) == 0 &&
         n == bytes.size();
}

// An open file, read in order.
class Reader {
 public:
  static Result<Reader> open(const std::string& path, int flags = 0) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0) return io_error("open", path);
    return Reader(path, fd);
  }
  Reader(Reader&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader() {
    if (fd_ >= 0) ::close(fd_);
  }

  // As many bytes as there are, at most `buffer`'s.
  Result<size_t> read(std::span<uint8_t> buffer) {
    size_t n_read = 0;
    while (n_read < buffer.size()) {
      const ssize_t n = ::read(fd_, buffer.data() + n_read, buffer.size() - n_read);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io_error("read", path_);
      if (n == 0) break;
      n_read += static_cast<size_t>(n);
    }
    return n_read;
  }

 private:
  Reader(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

// Progress over all files, and the question whether to stop.
struct Meter {
  const PullCalls& calls;
  uint64_t n_total;
  uint64_t n_done = 0;

  Status add(const std::string& file, uint64_t n) {
    n_done += n;
    if (calls.on_progress) calls.on_progress({Stage::kCopying, file, n_done, n_total, 0});
    if (calls.should_stop && calls.should_stop()) {
      return Error{ErrorCode::kUnavailable, "stopped"};
    }
    return {};
  }
};

// Moves one file's bytes from `in` to `write` and holds them to size and hash.
template <class Write>
Status move_file(Reader& in, const ModelFile& file, Meter& meter, const Write& write) {
  Sha256 sha256;
  std::vector<uint8_t> buffer(kPiece);
  for (uint64_t n_left = file.bytes; n_left > 0;) {
    const std::span<uint8_t> wanted(buffer.data(), std::min<uint64_t>(n_left, buffer.size()));
    MARU_ASSIGN_OR_RETURN(const size_t n, in.read(wanted));
    if (n < wanted.size()) return broken(fmt::format("it ends within {}", file.path));
    sha256.add(wanted);
    MARU_RETURN_IF_ERROR(write(std::span<const uint8_t>(wanted)));
    MARU_RETURN_IF_ERROR(meter.add(file.path, n));
    n_left -= n;
  }
  if (to_hex(sha256.finish()) != file.sha256) {
    return broken(fmt::format("{} is not what its hash says", file.path));
  }
  return {};
}

Status import_files(Reader& in, const ModelManifest& manifest, ModelStaging& staging,
                    const PullCalls& calls) {
  Meter meter{calls, manifest.total_bytes()};
  for (const ModelFile& file : manifest.files) {
    MARU_ASSIGN_OR_RETURN(const std::string place, staging.place(file.path));
    MARU_ASSIGN_OR_RETURN(AtomicFile out, AtomicFile::create(place));
    MARU_RETURN_IF_ERROR(move_file(
        in, file, meter, [&](std::span<const uint8_t> bytes) { return out.write(bytes); }));
    MARU_RETURN_IF_ERROR(out.commit());
    // As a pulled model's files are: the server may run as somebody else.
    if (::chmod(place.c_str(), 0644) != 0) return io_error("change the rights of", place);
  }
  std::array<uint8_t, 1> more = {};
  MARU_ASSIGN_OR_RETURN(const size_t n, in.read(more));
  if (n != 0) return broken("bytes follow its last file");
  return {};
}

}  // namespace

std::string print_public_key(std::span<const uint8_t, 32> key) {
  return std::string(kKeyMark) + base64(key);
}

Result<std::array<uint8_t, 32>> parse_public_key(const std::string& text) {
  std::array<uint8_t, 32> key = {};
  if (!text.starts_with(kKeyMark) || !from_base64(text.substr(kKeyMark.size()), key)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no public key", text),
                 "'maru bundle key' prints one: ed25519:...", "trusted_keys"};
  }
  return key;
}

Result<BundleKey> read_bundle_key(const std::string& path) {
  MARU_RETURN_IF_ERROR(ready());
  MARU_ASSIGN_OR_RETURN(std::string text, read_file(path, 4096));
  while (text.ends_with('\n')) text.pop_back();
  BundleKey key;
  std::array<uint8_t, 32> seed = {};
  if (!from_base64(text, seed)) {
    return Error{ErrorCode::kCorrupt, fmt::format("{} holds no key", path),
                 "move it away and let 'maru bundle key' make another"};
  }
  crypto_sign_seed_keypair(key.public_key.data(), key.secret_key.data(), seed.data());
  sodium_memzero(seed.data(), seed.size());
  sodium_memzero(text.data(), text.size());
  return key;
}

Result<BundleKey> make_bundle_key(const std::string& path) {
  MARU_RETURN_IF_ERROR(ready());
  std::error_code code;
  fs::create_directories(fs::path(path).parent_path(), code);
  std::array<uint8_t, 32> seed = {};
  randombytes_buf(seed.data(), seed.size());
  std::string text = base64(seed) + "\n";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EEXIST) {
    return Error{ErrorCode::kConflict, fmt::format("there is a key in {} already", path)};
  }
  if (fd < 0) return io_error("create", path);
  const bool is_written =
      ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(fd) == 0;
  ::close(fd);
  sodium_memzero(seed.data(), seed.size());
  sodium_memzero(text.data(), text.size());
  if (!is_written) {
    ::unlink(path.c_str());
    return io_error("write", path);
  }
  return read_bundle_key(path);
}

Result<uint32_t> parse_bundle_prefix(std::span<const uint8_t> prefix, BundleHead& head) {
  if (prefix.size() < kBundlePrefixBytes ||
      std::memcmp(prefix.data(), kMagic.data(), kMagic.size()) != 0) {
    return Error{ErrorCode::kCorrupt, "the file is no bundle",
                 "'maru bundle export' writes bundles"};
  }
  size_t at = kMagic.size();
  const uint32_t version = little_endian(prefix.subspan(at));
  if (version != kVersion) return broken(fmt::format("it is of version {}", version));
  const uint32_t n_manifest = little_endian(prefix.subspan(at + 4));
  if (n_manifest == 0 || n_manifest > kMaxBundleManifest) return broken("its manifest's length");
  at += 8;
  std::copy_n(prefix.begin() + static_cast<ptrdiff_t>(at), head.public_key.size(),
              head.public_key.begin());
  at += head.public_key.size();
  std::copy_n(prefix.begin() + static_cast<ptrdiff_t>(at), head.signature.size(),
              head.signature.begin());
  head.content_at = kBundlePrefixBytes + n_manifest;
  return n_manifest;
}

Result<ModelManifest> check_bundle_head(const BundleHead& head,
                                        const std::vector<std::array<uint8_t, 32>>& trusted) {
  MARU_RETURN_IF_ERROR(ready());
  const std::string who = print_public_key(head.public_key);
  const std::string text = signed_text(head.manifest_text);
  if (crypto_sign_verify_detached(head.signature.data(),
                                  reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                  head.public_key.data()) != 0) {
    return broken("its signature does not fit; it was changed");
  }
  if (std::find(trusted.begin(), trusted.end(), head.public_key) == trusted.end()) {
    return Error{ErrorCode::kForbidden,
                 fmt::format("the bundle is signed by {}, who is not trusted", who),
                 "if you know by other ways that this key is right, add it to the setting "
                 "trusted_keys",
                 "trusted_keys"};
  }
  MARU_ASSIGN_OR_RETURN(ModelManifest manifest, parse_manifest(head.manifest_text));
  manifest.signer = who;
  return manifest;
}

Result<ModelManifest> export_bundle(const std::string& folder, const std::string& path,
                                    const BundleKey& key, const PullCalls& calls) {
  MARU_RETURN_IF_ERROR(ready());
  MARU_ASSIGN_OR_RETURN(const ModelManifest manifest, read_manifest(folder));
  std::error_code code;
  if (fs::exists(fs::symlink_status(path, code))) {
    return Error{ErrorCode::kConflict, fmt::format("there is a file {} already", path),
                 "choose another name"};
  }
  BundleHead head;
  head.manifest_text = print_manifest(manifest);
  if (head.manifest_text.size() > kMaxBundleManifest) return broken("too many files");
  const std::string text = signed_text(head.manifest_text);
  crypto_sign_detached(head.signature.data(), nullptr,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       key.secret_key.data());
  std::vector<uint8_t> prefix(kMagic.begin(), kMagic.end());
  append_number(prefix, kVersion);
  append_number(prefix, static_cast<uint32_t>(head.manifest_text.size()));
  prefix.insert(prefix.end(), key.public_key.begin(), key.public_key.end());
  prefix.insert(prefix.end(), head.signature.begin(), head.signature.end());

  MARU_ASSIGN_OR_RETURN(AtomicFile out, AtomicFile::create(path));
  MARU_RETURN_IF_ERROR(out.write(prefix));
  MARU_RETURN_IF_ERROR(out.write(bytes_of(head.manifest_text)));
  Meter meter{calls, manifest.total_bytes()};
  for (const ModelFile& file : manifest.files) {
    MARU_ASSIGN_OR_RETURN(Reader in, Reader::open(folder + "/" + file.path, O_NOFOLLOW));
    MARU_RETURN_IF_ERROR(move_file(
        in, file, meter, [&](std::span<const uint8_t> bytes) { return out.write(bytes); }));
    std::array<uint8_t, 1> more = {};
    MARU_ASSIGN_OR_RETURN(const size_t n, in.read(more));
    if (n != 0) return broken(fmt::format("{} is longer than the manifest says", file.path));
  }
  MARU_RETURN_IF_ERROR(out.commit());
  return manifest;
}

Result<Pulled> import_bundle(const std::string& path, const std::string& models_folder,
                             const std::vector<std::array<uint8_t, 32>>& trusted,
                             const PullCalls& calls) {
  MARU_ASSIGN_OR_RETURN(Reader in, Reader::open(path));
  std::array<uint8_t, kBundlePrefixBytes> prefix = {};
  MARU_ASSIGN_OR_RETURN(const size_t n_prefix, in.read(prefix));
  BundleHead head;
  MARU_ASSIGN_OR_RETURN(const uint32_t n_manifest,
                        parse_bundle_prefix(std::span(prefix).first(n_prefix), head));
  std::vector<uint8_t> text(n_manifest);
  MARU_ASSIGN_OR_RETURN(const size_t n_text, in.read(text));
  if (n_text < text.size()) return broken("it ends within its manifest");
  head.manifest_text.assign(text.begin(), text.end());
  MARU_ASSIGN_OR_RETURN(ModelManifest manifest, check_bundle_head(head, trusted));
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
      static_cast<uint64_t>(status.st_size) != head.content_at + manifest.total_bytes()) {
    return broken("it is not as long as its files; it was cut, or bytes were added");
  }

  const auto on_wait = [&] {
    if (calls.on_progress) calls.on_progress({Stage::kWaiting, manifest.name, 0, 0, 0});
    return !(calls.should_stop && calls.should_stop());
  };
  MARU_ASSIGN_OR_RETURN(const auto staging,
                        ModelStaging::open(models_folder, manifest.name, on_wait));
  std::error_code code;
  for (const char* suffix : {"", ".gguf"}) {
    if (!fs::exists(fs::symlink_status(staging->target() + suffix, code))) continue;
    return Error{ErrorCode::kConflict, fmt::format("there is a model {} already", manifest.name),
                 fmt::format("remove it first: maru models remove {}", manifest.name)};
  }
  staging->discard();
  MARU_RETURN_IF_ERROR(staging->begin("bundle " + path));
  Status done = staging->check_room(manifest.total_bytes());
  if (done) done = import_files(in, manifest, *staging, calls);
  manifest.added_at = unix_milliseconds();
  if (done) done = staging->install(manifest);
  if (!done) {
    staging->discard();
    return done.error();
  }
  return Pulled{std::move(manifest), staging->target(), false};
}

}  // namespace maru::service
