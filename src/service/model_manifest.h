// What is known of a model's files: where they came from, under which licence, and their hashes.
// Kept as kManifestName in the model's folder by whatever put it there (docs/models.md). Pure
// functions over files; thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "base/result.h"

namespace maru::service {

inline constexpr const char* kManifestName = "maru-model.json";

struct ModelFile {
  std::string path;  // inside the folder; see check_inner_path()
  uint64_t bytes = 0;
  std::string sha256;  // 64 lower-case hex digits

  bool operator==(const ModelFile&) const = default;
};

struct ModelOrigin {
  std::string kind;        // "hub", "folder" or "bundle"
  std::string place;       // the hub's URL, or the folder's name
  std::string repository;  // "org/name"; empty unless the model once came from a hub
  std::string revision;    // as it was asked for
  std::string commit;      // 40 hex digits

  bool operator==(const ModelOrigin&) const = default;
};

struct ModelManifest {
  std::string name;
  std::string licence;  // as the source states it, or empty
  ModelOrigin origin;
  std::string signer;    // public key of the bundle that brought it; else empty
  int64_t added_at = 0;  // unix milliseconds
  std::vector<ModelFile> files;

  uint64_t total_bytes() const;
};

// A name in the data folder: letters, digits, '.', '_', '-', not starting with '.', at most 128.
// Errors: kInvalidArgument.
Status check_model_name(const std::string& name);

// A relative path that stays where it belongs: plain parts between single '/', none of them "." or
// "..", no control character and no backslash. Errors: kInvalidArgument.
Status check_inner_path(std::string_view path);

std::string print_manifest(const ModelManifest& manifest);
// Errors: kCorrupt with the field.
Result<ModelManifest> parse_manifest(std::string_view text);

// Errors: kNotFound (a model that was put there by hand has none), kCorrupt.
Result<ModelManifest> read_manifest(const std::string& folder);

// Told how many bytes more were read; false ends the reading (kUnavailable).
using OnBytes = std::function<bool(uint64_t n_bytes)>;

struct FileHashes {
  std::string sha256;
  std::string git_blob;  // SHA-1 of "blob <size>\0<content>"
  uint64_t bytes = 0;
};

// Reads the whole file, never following a link at its end. Errors: kNotFound, kUnavailable.
Result<FileHashes> hash_file(const std::string& path, const OnBytes& on_bytes = nullptr);

// What differs from the manifest, one line a file; empty if nothing does. Errors: those of reading.
Result<std::vector<std::string>> verify_files(const std::string& folder,
                                              const ModelManifest& manifest,
                                              const OnBytes& on_bytes = nullptr);

std::string to_hex(std::span<const uint8_t> bytes);

}  // namespace maru::service
