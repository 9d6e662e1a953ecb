// What a Hugging Face hub says about a repository, and which of its files make a model. Pure
// functions: the answer is a stranger's text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace maru::service {

// "org/name[:quantisation][@revision]"
struct HubName {
  std::string repository;    // "org/name"
  std::string quantisation;  // "Q4_K_M"; empty: the default rule
  std::string revision = "main";
};

// Errors: kInvalidArgument.
Result<HubName> parse_hub_name(const std::string& text);

struct HubFile {
  std::string path;
  uint64_t bytes = 0;
  std::string sha256;    // of files in LFS
  std::string git_blob;  // of the others: SHA-1 as git counts it
};

struct HubAnswer {
  std::string commit;   // 40 hex digits
  std::string licence;  // as the card's head states it, or empty
  std::vector<HubFile> files;
};

// The answer of GET /api/models/{repository}/revision/{revision}?blobs=true. Files whose paths are
// not plain are left out: nothing that is wanted has such a name. Errors: kCorrupt.
Result<HubAnswer> parse_hub_answer(std::string_view text);

struct FileWish {
  std::string quantisation;   // see HubName
  std::string file;           // one GGUF file by its path; empty: by the rules
  bool wants_folder = false;  // the safetensors, also where there are GGUF files
};

struct FileChoice {
  std::string name;  // of the model: the GGUF file's, or empty for a folder
  std::vector<HubFile> files;
};

// Quantisations from the most wanted on, when none is named: small and good first, then good, then
// whole. docs/models.md gives the rule to people.
inline constexpr std::string_view kQuantisationOrder[] = {
    "Q4_K_M", "Q4_K_S", "Q5_K_M", "Q5_K_S", "Q4_1", "Q4_0", "Q6_K", "Q8_0", "BF16", "F16", "F32"};

// One GGUF file with what tells its licence; or config.json, tokenizer and safetensors. Never code
// and never pickles. Errors: kNotFound (with what there is), kInvalidArgument (several fit).
Result<FileChoice> choose_files(const HubAnswer& answer, const FileWish& wish);

}  // namespace maru::service
