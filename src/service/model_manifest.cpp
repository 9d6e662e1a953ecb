#include "service/model_manifest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/files.h"
#include "base/io_error.h"
#include "base/json.h"
#include "base/sha1.h"
#include "base/sha256.h"

namespace maru::service {
namespace {

constexpr const char* kFormat = "maru-model";
constexpr int kVersion = 1;
constexpr size_t kMaxManifestBytes = size_t{16} << 20;
constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxPathBytes = 512;
constexpr size_t kMaxFiles = 10'000;
constexpr size_t kReadBytes = size_t{1} << 20;

Error broken(const std::string& what) {
  return {ErrorCode::kCorrupt, fmt::format("the model's manifest is broken: {}", what),
          "pull or import the model again"};
}

bool is_hex(std::string_view text, size_t n) {
  return text.size() == n && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<std::string> text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return broken(fmt::format("no {}", key));
  return found->get<std::string>();
}

Result<ModelFile> parse_file(const Json& entry) {
  if (!entry.is_object()) return broken("a file is no object");
  ModelFile file;
  MARU_ASSIGN_OR_RETURN(file.path, text_of(entry, "path"));
  MARU_ASSIGN_OR_RETURN(file.sha256, text_of(entry, "sha256"));
  if (const Status status = check_inner_path(file.path); !status) {
    return broken(status.error().message);
  }
  if (file.path == kManifestName) return broken("it lists itself");
  const auto bytes = entry.find("bytes");
  if (bytes == entry.end() || !bytes->is_number_unsigned()) return broken("a file has no size");
  file.bytes = bytes->get<uint64_t>();
  if (file.bytes > uint64_t{1} << 50) return broken("a file is larger than any disk");
  if (!is_hex(file.sha256, 64)) return broken(file.path + " has no SHA-256");
  return file;
}

Result<ModelOrigin> parse_origin(const Json& entry) {
  ModelOrigin origin;
  MARU_ASSIGN_OR_RETURN(origin.kind, text_of(entry, "kind"));
  MARU_ASSIGN_OR_RETURN(origin.place, text_of(entry, "place"));
  MARU_ASSIGN_OR_RETURN(origin.repository, text_of(entry, "repository"));
  MARU_ASSIGN_OR_RETURN(origin.revision, text_of(entry, "revision"));
  MARU_ASSIGN_OR_RETURN(origin.commit, text_of(entry, "commit"));
  return origin;
}

Error unsafe(std::string_view path) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("\"{}\" is no path inside of a model's folder", path)};
}

}  // namespace

uint64_t ModelManifest::total_bytes() const {
  uint64_t sum = 0;
  for (const ModelFile& file : files) sum += file.bytes;
  return sum;
}

std::string to_hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

Status check_model_name(const std::string& name) {
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (!is_plain || name.empty() || name.front() == '.' || name.size() > kMaxNameBytes) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("\"{}\" is no name of a model", name),
                 "letters, digits, '.', '_' and '-' make a name; a pull takes one by --name",
                 "name", Reason{"model_name_bad", {{"name", name}}}};
  }
  return {};
}

Status check_inner_path(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return unsafe(path);
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return unsafe("(binary)");
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return unsafe(path);
    begin = end + 1;
  }
  return {};
}

std::string print_manifest(const ModelManifest& manifest) {
  Json files = Json::array();
  for (const ModelFile& file : manifest.files) {
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  const ModelOrigin& origin = manifest.origin;
  return dump_json(Json{{"format", kFormat},
                        {"version", kVersion},
                        {"name", manifest.name},
                        {"licence", manifest.licence},
                        {"origin",
                         {{"kind", origin.kind},
                          {"place", origin.place},
                          {"repository", origin.repository},
                          {"revision", origin.revision},
                          {"commit", origin.commit}}},
                        {"signer", manifest.signer},
                        {"added_at", manifest.added_at},
                        {"files", std::move(files)}});
}

Result<ModelManifest> parse_manifest(std::string_view text) {
  const auto json = parse_json(text, {.max_bytes = kMaxManifestBytes, .max_depth = 8});
  if (!json) return broken(json.error().message);
  if (!json->is_object()) return broken("it is no object");
  MARU_ASSIGN_OR_RETURN(const std::string format, text_of(*json, "format"));
  const auto version = json->find("version");
  if (format != kFormat || version == json->end() || *version != kVersion) {
    return broken("it is of another version");
  }
  ModelManifest manifest;
  MARU_ASSIGN_OR_RETURN(manifest.name, text_of(*json, "name"));
  if (const Status status = check_model_name(manifest.name); !status) {
    return broken(status.error().message);
  }
  MARU_ASSIGN_OR_RETURN(manifest.licence, text_of(*json, "licence"));
  MARU_ASSIGN_OR_RETURN(manifest.signer, text_of(*json, "signer"));
  const auto origin = json->find("origin");
  if (origin == json->end() || !origin->is_object()) return broken("no origin");
  MARU_ASSIGN_OR_RETURN(manifest.origin, parse_origin(*origin));
  const auto added = json->find("added_at");
  if (added == json->end() || !added->is_number_integer()) return broken("no added_at");
  manifest.added_at = added->get<int64_t>();
  const auto files = json->find("files");
  if (files == json->end() || !files->is_array() || files->empty() || files->size() > kMaxFiles) {
    return broken("no files");
  }
  std::vector<std::string> paths;
  for (const Json& entry : *files) {
    MARU_ASSIGN_OR_RETURN(ModelFile file, parse_file(entry));
    paths.push_back(file.path);
    manifest.files.push_back(std::move(file));
  }
  std::sort(paths.begin(), paths.end());
  for (size_t i = 1; i < paths.size(); ++i) {
    if (paths[i] == paths[i - 1]) return broken(paths[i] + " is there twice");
  }
  for (const std::string& path : paths) {
    for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      if (std::binary_search(paths.begin(), paths.end(), path.substr(0, slash))) {
        return broken(path + " lies in a file");
      }
    }
  }
  return manifest;
}

Result<ModelManifest> read_manifest(const std::string& folder) {
  MARU_ASSIGN_OR_RETURN(const std::string text,
                        read_file(folder + "/" + kManifestName, kMaxManifestBytes));
  return parse_manifest(text);
}

Result<FileHashes> hash_file(const std::string& path, const OnBytes& on_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return io_error("open", path);
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return Error{ErrorCode::kInvalidArgument, path + " is no plain file"};
  }
  FileHashes hashes;
  Sha256 sha256;
  Sha1 sha1;
  sha1.add(fmt::format("blob {}", status.st_size));
  sha1.add(std::string_view("\0", 1));
  // Git names small files only; hashing gigabytes twice would be for nothing.
  const bool is_small = status.st_size <= int64_t{64} << 20;
  std::vector<uint8_t> buffer(kReadBytes);
  Status result;
  while (true) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) result = io_error("read", path);
    if (n <= 0) break;
    const std::span<const uint8_t> bytes(buffer.data(), static_cast<size_t>(n));
    sha256.add(bytes);
    if (is_small) sha1.add(bytes);
    hashes.bytes += bytes.size();
    if (on_bytes && !on_bytes(bytes.size())) {
      result = Error{ErrorCode::kUnavailable, "stopped"};
      break;
    }
  }
  ::close(fd);
  if (!result) return result.error();
  hashes.sha256 = to_hex(sha256.finish());
  if (is_small) hashes.git_blob = to_hex(sha1.finish());
  return hashes;
}

Result<std::vector<std::string>> verify_files(const std::string& folder,
                                              const ModelManifest& manifest,
                                              const OnBytes& on_bytes) {
  std::vector<std::string> faults;
  for (const ModelFile& file : manifest.files) {
    const auto hashes = hash_file(folder + "/" + file.path, on_bytes);
    if (!hashes && hashes.error().code == ErrorCode::kUnavailable) return hashes.error();
    if (!hashes) {
      faults.push_back(hashes.error().message);
    } else if (hashes->bytes != file.bytes) {
      faults.push_back(
          fmt::format("{} has {} bytes instead of {}", file.path, hashes->bytes, file.bytes));
    } else if (hashes->sha256 != file.sha256) {
      faults.push_back(
          fmt::format("{} has SHA-256 {} instead of {}", file.path, hashes->sha256, file.sha256));
    }
  }
  return faults;
}

}  // namespace maru::service
