#include "models/source.h"

#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/json.h"
#include "tensor/format.h"

namespace maru::models {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = size_t{16} << 20;

Error not_a_model(const std::string& path, const std::string& why) {
  return {.code = ErrorCode::kInvalidArgument,
          .message = path + ": " + why,
          .hint = "a model is a GGUF file or a folder with config.json and model.safetensors"};
}

}  // namespace

Result<ModelSource> ModelSource::open(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    return Error{
        .code = ErrorCode::kNotFound,
        .message = path + ": no such file or folder",
        .hint = "a model is a GGUF file or a folder with config.json and model.safetensors"};
  return fs::is_directory(status) ? open_folder(path) : open_gguf(path);
}

Result<ModelSource> ModelSource::open_gguf(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(formats::GgufFile file, formats::GgufFile::open(path));
  ModelSource source;
  source.path_ = path;
  const auto architecture = file.get_string("general.architecture");
  if (!architecture || architecture->empty())
    return not_a_model(path, "general.architecture is missing or not a text");
  source.architecture_ = std::string(*architecture);
  source.config_ = ConfigMap::from_gguf(file, *architecture);
  source.gguf_ = std::move(file);
  return source;
}

Result<ModelSource> ModelSource::open_folder(const std::string& path) {
  const std::string config_path = path + "/config.json";
  std::error_code error;
  if (!fs::exists(config_path, error)) return not_a_model(path, "holds no config.json");
  MARU_ASSIGN_OR_RETURN(std::string text, read_file(config_path, kMaxConfigBytes));
  Result<Json> parsed = parse_json(text, {.max_bytes = kMaxConfigBytes, .max_depth = 64});
  if (!parsed) {
    Error e = parsed.error();
    e.message = config_path + ": " + e.message;
    e.code = ErrorCode::kCorrupt;
    return e;
  }
  if (!parsed->is_object()) return not_a_model(config_path, "must be a JSON object");
  ModelSource source;
  source.path_ = path;
  const auto type = parsed->find("model_type");
  if (type == parsed->end() || !type->is_string())
    return not_a_model(config_path, "model_type is missing or not a text");
  source.architecture_ = type->get<std::string>();
  // Models that also see keep the language model's configuration in an object of its own.
  const auto inner = parsed->find("text_config");
  const bool nested = inner != parsed->end() && inner->is_object();
  source.config_ = ConfigMap::from_json(nested ? *inner : *parsed);
  MARU_ASSIGN_OR_RETURN(source.safetensors_, formats::SafetensorsSet::open_folder(path));
  source.hf_prefix_ = "model.";
  for (const char* prefix : {"model.language_model.", "language_model.model."})
    if (source.find_tensor(std::string(prefix) + "embed_tokens.weight") != nullptr)
      source.hf_prefix_ = prefix;
  if (source.find_tensor("language_model.lm_head.weight") != nullptr)
    source.hf_head_ = "language_model.lm_head.weight";
  return source;
}

std::string ModelSource::name() const {
  if (gguf_)
    if (auto name = gguf_->get_string("general.name")) return std::string(*name);
  fs::path path = fs::path(path_).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return is_gguf() ? path.stem().string() : path.filename().string();
}

std::string ModelSource::licence() const {
  if (gguf_)
    if (auto licence = gguf_->get_string("general.license")) return std::string(*licence);
  return {};
}

std::optional<uint64_t> ModelSource::n_tokenizer_tokens() const {
  if (!gguf_) return std::nullopt;
  const auto* tokens = gguf_->get_strings("tokenizer.ggml.tokens");
  if (tokens == nullptr) return std::nullopt;
  return tokens->size();
}

const std::vector<formats::TensorInfo>& ModelSource::tensors() const {
  return gguf_ ? gguf_->tensors() : safetensors_->tensors();
}

ModelSource::Sizes ModelSource::sizes() const {
  Sizes sizes;
  std::map<std::string, uint64_t> bytes;
  for (const formats::TensorInfo& tensor : tensors()) {
    uint64_t n = 1;
    for (const uint64_t size : tensor.shape) n *= size;
    sizes.n_parameters += n;
    const tensor::BlockFormat* format = tensor::find_format_by_gguf_type(tensor.gguf_type);
    bytes[format != nullptr ? format->name : "type " + std::to_string(tensor.gguf_type)] +=
        tensor.data.size();
  }
  sizes.format_bytes.assign(bytes.begin(), bytes.end());
  return sizes;
}

const formats::TensorInfo* ModelSource::find_tensor(std::string_view name) const {
  return gguf_ ? gguf_->find_tensor(name) : safetensors_->find_tensor(name);
}

std::string ModelSource::why_unreadable(std::string_view name) const {
  if (!safetensors_) return {};
  const auto it = safetensors_->unsupported().find(std::string(name));
  return it == safetensors_->unsupported().end() ? std::string{} : "has dtype " + it->second;
}

std::string ModelSource::block_tensor(uint32_t layer, const char* gguf, const char* hf,
                                      const char* suffix) const {
  const std::string n = std::to_string(layer);
  if (is_gguf()) return "blk." + n + "." + gguf + suffix;
  return hf_prefix_ + "layers." + n + "." + hf + suffix;
}

std::string ModelSource::tensor_name(const char* gguf, const char* hf) const {
  if (is_gguf()) return gguf;
  if (std::string_view(hf) == "lm_head.weight") return hf_head_;
  return hf_prefix_ + hf;
}

bool ModelSource::is_ignored(std::string_view tensor) const {
  if (is_gguf()) return false;
  // Old checkpoints store the rope frequencies, which the configuration gives too.
  if (tensor.ends_with(".rotary_emb.inv_freq")) return true;
  for (const char* part : {"vision_tower.", "multi_modal_projector."})
    if (hf_prefix_ != "model." && tensor.find(part) != std::string_view::npos) return true;
  return false;
}

std::vector<FileStamp> ModelSource::stamps() const {
  if (gguf_) return {gguf_->file().stamp()};
  std::vector<FileStamp> stamps;
  for (const MappedFile& file : safetensors_->files()) stamps.push_back(file.stamp());
  return stamps;
}

void ModelSource::drop(const formats::TensorInfo& tensor) const {
  auto drop_from = [&](const MappedFile& file) {
    const std::span<const uint8_t> all = file.bytes();
    if (tensor.data.data() < all.data() || tensor.data.data() >= all.data() + all.size()) return;
    file.drop_pages(static_cast<size_t>(tensor.data.data() - all.data()), tensor.data.size());
  };
  if (gguf_) return drop_from(gguf_->file());
  for (const MappedFile& file : safetensors_->files()) drop_from(file);
}

}  // namespace maru::models
