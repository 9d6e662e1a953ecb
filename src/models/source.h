// A model on disk: a GGUF file, or a Hugging Face folder with config.json and safetensors. Gives
// configuration and tensors without saying which it was, where that makes no difference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/config_map.h"

namespace maru::models {

class ModelSource {
 public:
  // Errors: kNotFound, kCorrupt, kInvalidArgument with a hint what a model path is.
  static Result<ModelSource> open(const std::string& path);

  bool is_gguf() const { return gguf_.has_value(); }
  const std::string& path() const { return path_; }
  // general.architecture, or config.json's model_type.
  const std::string& architecture() const { return architecture_; }
  ConfigMap& config() { return config_; }
  const ConfigMap& config() const { return config_; }

  std::string name() const;
  std::string licence() const;
  std::optional<uint64_t> n_tokenizer_tokens() const;  // of a GGUF's own tokenizer

  const std::vector<formats::TensorInfo>& tensors() const;
  struct Sizes {
    uint64_t n_parameters = 0;
    std::vector<std::pair<std::string, uint64_t>>
        format_bytes;  // block format -> bytes in the file
  };
  Sizes sizes() const;  // of all tensors
  const formats::TensorInfo* find_tensor(std::string_view name) const;
  // Why a tensor that is named in the file was not found; empty if it is simply absent.
  std::string why_unreadable(std::string_view name) const;

  // Tensor names by the file's convention. Layer stems as in TensorRule.
  std::string block_tensor(uint32_t layer, const char* gguf, const char* hf,
                           const char* suffix) const;
  std::string tensor_name(const char* gguf, const char* hf) const;  // outside of blocks
  // Tensors of a file that hold nothing a language model computes with.
  bool is_ignored(std::string_view tensor) const;

  // Of the files that hold tensors, as they were opened.
  std::vector<FileStamp> stamps() const;

  // The tensor's pages are not needed any more.
  void drop(const formats::TensorInfo& tensor) const;

 private:
  static Result<ModelSource> open_gguf(const std::string& path);
  static Result<ModelSource> open_folder(const std::string& path);

  std::string path_;
  std::string architecture_;
  std::optional<formats::GgufFile> gguf_;
  std::optional<formats::SafetensorsSet> safetensors_;
  std::string hf_prefix_;  // "model." or, in a model that also sees, "model.language_model."...
  std::string hf_head_ = "lm_head.weight";
  ConfigMap config_;
};

}  // namespace maru::models
