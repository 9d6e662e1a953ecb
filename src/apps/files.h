// What commands read and write beside models: a file or standard input, lists of token ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "service/model_store.h"

namespace maru::apps {

// The model that MODEL names; see service::ModelStore.
Result<service::ModelLocation> find_model(const std::string& model);

// A file's bytes; "-" is standard input. Errors: those of read_file.
Result<std::string> read_input(const std::string& path, size_t max_bytes);

// Standard input to its end.
Result<std::string> read_stdin(size_t max_bytes);

// A file with one JSON array of integers. Errors: kInvalidArgument with the index of a bad entry.
Result<std::vector<int32_t>> read_token_ids(const std::string& path);

// Errors: kInvalidArgument naming the first id that a vocabulary of `n_vocab` lacks.
Status check_token_ids(std::span<const int32_t> ids, uint32_t n_vocab, const std::string& path);

// A file written in parts that appears under its name only when it is complete.
class FileWriter {
 public:
  // Errors: kInvalidArgument (the folder is not there or not writable).
  static Result<std::unique_ptr<FileWriter>> create(const std::string& path);
  ~FileWriter();  // removes what was not finished
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // Errors: kUnavailable (the disk is full).
  Status write(std::string_view bytes);
  Status finish();

 private:
  FileWriter(std::string path, std::string temporary, std::FILE* file)
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}
  Error failed(const char* what) const;

  std::string path_, temporary_;
  std::FILE* file_;
};

}  // namespace maru::apps
