#include "models/encoder_weights.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>

#include "base/check.h"
#include "base/files.h"
#include "base/json.h"
#include "kernels/dispatch.h"
#include "models/config_reading.h"
#include "tensor/format.h"

namespace maru::models {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr uint32_t kMaxPositions = 1 << 20, kMaxWidth = 1 << 16, kMaxVocabulary = 1 << 24;

size_t padded(size_t k) {
  return (k + kernels::kBlock16 - 1) / kernels::kBlock16 * kernels::kBlock16;
}

Error refuse(const ModelSource& source, const std::string& what, const std::string& hint) {
  return Error{ErrorCode::kInvalidArgument, source.path() + ": " + what, hint};
}

// A file of the folder as JSON; null if it is not there.
Result<Json> read_optional(const ModelSource& source, const std::string& name) {
  const std::string path = source.path() + "/" + name;
  if (!std::filesystem::exists(path)) return Json();
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxConfigBytes));
  auto json = parse_json(text);
  if (!json) json.error().message = path + ": " + json.error().message;
  return json;
}

bool is_set(const Json& object, const char* name) {
  const auto member = object.is_object() ? object.find(name) : object.end();
  return member != object.end() && member->is_boolean() && member->get<bool>();
}

std::string text_of(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

Status read_pooling(const ModelSource& source, const std::string& folder, EncoderInfo& info) {
  MARU_ASSIGN_OR_RETURN(const Json json, read_optional(source, folder + "/config.json"));
  constexpr std::array<const char*, 5> kUnknown = {
      "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
      "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken", "pooling_mode_multi"};
  for (const char* mode : kUnknown) {
    if (is_set(json, mode)) {
      return refuse(source, std::string(folder) + "/config.json: " + mode + " is not supported",
                    "pooling by mean or by the first token is");
    }
  }
  const std::string mode = text_of(json, "pooling_mode");  // newer files name it
  const bool first = is_set(json, "pooling_mode_cls_token") || mode == "cls";
  const bool mean = is_set(json, "pooling_mode_mean_tokens") || mode == "mean";
  if (first == mean) {
    return refuse(source, folder + "/config.json: no pooling, or several of them",
                  "pooling by mean or by the first token is supported");
  }
  info.pooling = first ? Pooling::kFirstToken : Pooling::kMean;
  return {};
}

// modules.json: what sentence-transformers does after the network. Without it, the mean.
Status read_modules(const ModelSource& source, EncoderInfo& info) {
  MARU_ASSIGN_OR_RETURN(const Json modules, read_optional(source, "modules.json"));
  if (modules.is_null()) return {};
  if (!modules.is_array()) return refuse(source, "modules.json is no list", "fetch it again");
  for (const Json& module : modules) {
    const std::string type = text_of(module, "type");
    const std::string name = type.substr(type.rfind('.') + 1);
    if (name == "Transformer") continue;
    if (name == "Pooling") {
      const std::string folder = text_of(module, "path");
      if (folder.empty() || folder.find("..") != std::string::npos || folder.front() == '/') {
        return refuse(source, "modules.json: the path of Pooling leads elsewhere",
                      "fetch it again");
      }
      MARU_RETURN_IF_ERROR(read_pooling(source, folder, info));
    } else if (name == "Normalize") {
      info.normalises = true;
    } else {
      return refuse(source, "modules.json: the module " + name + " is not supported",
                    "Transformer, Pooling and Normalize are");
    }
  }
  return {};
}

Status read_max_tokens(const ModelSource& source, EncoderInfo& info) {
  MARU_ASSIGN_OR_RETURN(const Json json, read_optional(source, "sentence_bert_config.json"));
  if (!json.is_object()) return {};
  const auto most = json.find("max_seq_length");
  if (most == json.end() || !most->is_number_unsigned()) return {};
  const auto n = most->get<uint64_t>();
  if (n < 3) return refuse(source, "sentence_bert_config.json: max_seq_length is below 3", "");
  info.max_tokens = static_cast<uint32_t>(std::min<uint64_t>(n, info.max_tokens));
  return {};
}

// Features of BERT's relatives that change results.
Status refuse_features(const ModelSource& source, ConfigMap& map) {
  MARU_ASSIGN_OR_RETURN(const std::string act, map.text_or("hidden_act", "gelu"));
  if (act != "gelu") return map.refusal("hidden_act", "'" + act + "' is not supported, gelu is");
  MARU_ASSIGN_OR_RETURN(const std::string positions,
                        map.text_or("position_embedding_type", "absolute"));
  if (positions != "absolute") {
    return map.refusal("position_embedding_type",
                       "'" + positions + "' is not supported, absolute is");
  }
  for (const char* flag : {"is_decoder", "add_cross_attention"}) {
    MARU_ASSIGN_OR_RETURN(const bool set, map.flag_or(flag, false));
    if (set) return map.refusal(flag, "an encoder has none");
  }
  if (source.is_gguf()) {
    return refuse(source, "encoders are read from Hugging Face folders",
                  "give a folder with config.json and model.safetensors");
  }
  return {};
}

// Reads tensors and remembers which.
class Reader {
 public:
  Reader(const ModelSource& source, const std::string& prefix, ThreadPool* pool)
      : source_(source), prefix_(prefix), pool_(pool) {}

  Result<const formats::TensorInfo*> find(const std::string& name,
                                          const std::vector<uint64_t>& shape) {
    const formats::TensorInfo* tensor = source_.find_tensor(name);
    if (tensor == nullptr) {
      const std::string why = source_.why_unreadable(name);
      return Error{
          ErrorCode::kCorrupt,
          fmt::format("{}: tensor {} {}", source_.path(), name, why.empty() ? "is missing" : why),
          "fetch the model again"};
    }
    if (tensor->shape != shape) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{}: tensor {} has shape [{}], expected [{}]", source_.path(), name,
                               fmt::join(tensor->shape, ", "), fmt::join(shape, ", ")),
                   "config.json and the weights must be of the same model"};
    }
    seen_.insert(name);
    return tensor;
  }

  // A matrix or vector outside of products, as floats.
  Result<std::vector<float>> floats(const std::string& name, const std::vector<uint64_t>& shape) {
    MARU_ASSIGN_OR_RETURN(const formats::TensorInfo* tensor, find(name, shape));
    MARU_ASSIGN_OR_RETURN(const tensor::BlockFormat* format, format_of(*tensor));
    std::vector<float> out;
    if (pool_ == nullptr) return out;
    size_t n = 1;
    for (const uint64_t size : shape) n *= size;
    out.resize(n);
    format->dequantise(tensor->data.data(), out.data(), n);
    return out;
  }

  Result<const tensor::BlockFormat*> format_of(const formats::TensorInfo& tensor) {
    const tensor::BlockFormat* format = tensor::find_format_by_gguf_type(tensor.gguf_type);
    if (format != nullptr && format->block_values == 1) return format;
    return refuse(source_, "tensor " + tensor.name + " is of a type that encoders don't have",
                  "float32, float16 and bfloat16 work");
  }

  // "NAME.weight" and "NAME.bias" of several products with the same input, one behind the other.
  Result<Linear16> linear(const std::vector<std::string>& names, size_t n_out, size_t k) {
    Linear16 out;
    out.n_out = names.size() * n_out;
    out.k = k;
    out.ld = padded(k);
    if (pool_ != nullptr) {
      out.panels.reset(
          static_cast<int16_t*>(std::aligned_alloc(64, out.n_out * out.ld * sizeof(int16_t))));
      MARU_CHECK(out.panels != nullptr);
      out.steps.resize(out.n_out);
    }
    for (size_t i = 0; i < names.size(); ++i) {
      MARU_ASSIGN_OR_RETURN(const auto* tensor, find(prefix_ + names[i] + ".weight", {n_out, k}));
      MARU_ASSIGN_OR_RETURN(const auto* format, format_of(*tensor));
      MARU_ASSIGN_OR_RETURN(const auto bias, floats(prefix_ + names[i] + ".bias", {n_out}));
      out.bias.insert(out.bias.end(), bias.begin(), bias.end());
      if (pool_ == nullptr) continue;
      pool_->parallel_for(n_out / kernels::kPanelRows, 1, [&](size_t begin, size_t end) {
        for (size_t panel = begin; panel < end; ++panel) {
          pack_panel(*tensor, *format, panel, i * n_out / kernels::kPanelRows + panel, out);
        }
      });
      source_.drop(*tensor);
    }
    return out;
  }

  Result<NormWeights> norm(const std::string& name, size_t n) {
    NormWeights out;
    MARU_ASSIGN_OR_RETURN(out.weight, floats(prefix_ + name + ".weight", {n}));
    MARU_ASSIGN_OR_RETURN(out.bias, floats(prefix_ + name + ".bias", {n}));
    return out;
  }

  // Every tensor of the file must have been asked for.
  Status check_rest(bool has_labels) const {
    for (const formats::TensorInfo& tensor : source_.tensors()) {
      if (seen_.count(tensor.name) != 0) continue;
      std::string_view name = tensor.name;
      if (name.starts_with(prefix_)) name.remove_prefix(prefix_.size());
      // Position numbers, and heads for tasks that vectors are not made by.
      if (name == "embeddings.position_ids" || name.starts_with("cls.")) continue;
      if (!has_labels && name.starts_with("pooler.")) continue;
      return refuse(source_, "tensor " + tensor.name + " is not one of a BERT encoder",
                    "embedding models and rerankers of the BERT family work");
    }
    return {};
  }

 private:
  void pack_panel(const formats::TensorInfo& tensor, const tensor::BlockFormat& format, size_t from,
                  size_t to, Linear16& out) const {
    const kernels::KernelSet scalar(kernels::Isa::kScalar);
    std::vector<float> row(out.k);
    std::vector<int16_t> whole(out.ld);
    int16_t* panel = out.panels.get() + to * kernels::kPanelRows * out.ld;
    for (size_t j = 0; j < kernels::kPanelRows; ++j) {
      const size_t at = (from * kernels::kPanelRows + j) * out.k * format.block_bytes;
      format.dequantise(tensor.data.data() + at, row.data(), out.k);
      scalar.quantise16({row.data(), out.k, out.k, 0, 1, whole.data(), out.ld,
                         &out.steps[to * kernels::kPanelRows + j]});
      for (size_t i = 0; i < out.ld; ++i) {
        panel[i / 2 * 2 * kernels::kPanelRows + 2 * j + i % 2] = whole[i];
      }
    }
  }

  const ModelSource& source_;
  const std::string& prefix_;
  ThreadPool* const pool_;
  std::set<std::string> seen_;
};

uint64_t bytes_of(const EncoderConfig& c) {
  const uint64_t dim = c.info.dim, ffn = c.info.n_ffn;
  const uint64_t layer =
      padded(dim) * (4 * dim + ffn) * sizeof(int16_t) + padded(ffn) * dim * sizeof(int16_t);
  return c.info.n_layers * layer + uint64_t{c.n_positions} * dim * sizeof(float);
}

}  // namespace

void Linear16::AlignedFree::operator()(int16_t* p) const { std::free(p); }

Result<EncoderConfig> read_bert_config(ModelSource& source) {
  if (source.architecture() != "bert") {
    return refuse(source, "'" + source.architecture() + "' is not an encoder that Maru knows",
                  "embedding models and rerankers of the BERT family work");
  }
  ConfigMap& map = source.config();
  MARU_RETURN_IF_ERROR(refuse_features(source, map));
  EncoderConfig c;
  c.info.name = source.name();
  c.info.architecture = source.architecture();
  MARU_ASSIGN_OR_RETURN(c.info.n_layers, map.count_or("num_hidden_layers", 12, 1, 1000));
  MARU_ASSIGN_OR_RETURN(c.info.dim, map.count_or("hidden_size", 768, 16, kMaxWidth));
  MARU_ASSIGN_OR_RETURN(c.info.n_heads, map.count_or("num_attention_heads", 12, 1, kMaxWidth));
  MARU_ASSIGN_OR_RETURN(c.info.n_ffn, map.count_or("intermediate_size", 3072, 16, kMaxWidth));
  MARU_ASSIGN_OR_RETURN(c.info.n_vocab, map.count_or("vocab_size", 30522, 1, kMaxVocabulary));
  MARU_ASSIGN_OR_RETURN(c.info.n_types, map.count_or("type_vocab_size", 2, 1, 256));
  MARU_ASSIGN_OR_RETURN(c.n_positions,
                        map.count_or("max_position_embeddings", 512, 3, kMaxPositions));
  MARU_ASSIGN_OR_RETURN(const double eps, map.number_or("layer_norm_eps", 1e-12, 0, 1));
  c.norm_eps = static_cast<float>(eps);
  if (c.info.dim % c.info.n_heads != 0 || c.info.dim % kernels::kPanelRows != 0) {
    return map.refusal("hidden_size", "is not a multiple of the heads and of 16");
  }
  if (c.info.n_ffn % kernels::kPanelRows != 0) {
    return map.refusal("intermediate_size", "is not a multiple of 16");
  }
  MARU_RETURN_IF_ERROR(refuse_unread_hf(source));
  c.info.max_tokens = c.n_positions;
  c.prefix = source.find_tensor("bert.embeddings.word_embeddings.weight") != nullptr ? "bert." : "";
  const formats::TensorInfo* classifier = source.find_tensor("classifier.weight");
  if (classifier != nullptr) {
    if (classifier->shape.size() != 2 || classifier->shape[0] == 0 ||
        classifier->shape[0] > kMaxWidth) {
      return refuse(source, "tensor classifier.weight is no matrix", "fetch the model again");
    }
    c.info.n_labels = static_cast<uint32_t>(classifier->shape[0]);
  }
  MARU_RETURN_IF_ERROR(read_modules(source, c.info));
  MARU_RETURN_IF_ERROR(read_max_tokens(source, c.info));
  ModelSource::Sizes sizes = source.sizes();
  c.info.n_parameters = sizes.n_parameters;
  c.info.format_bytes = std::move(sizes.format_bytes);
  c.info.memory_bytes = bytes_of(c);
  return c;
}

Result<EncoderWeights> read_bert_weights(const ModelSource& source, const EncoderConfig& config,
                                         ThreadPool* pool) {
  const EncoderInfo& info = config.info;
  const size_t dim = info.dim;
  Reader read(source, config.prefix, pool);
  EncoderWeights w;
  const std::string e = config.prefix + "embeddings.";
  MARU_ASSIGN_OR_RETURN(w.words, read.find(e + "word_embeddings.weight", {info.n_vocab, dim}));
  MARU_ASSIGN_OR_RETURN([[maybe_unused]] const auto* words_format, read.format_of(*w.words));
  MARU_ASSIGN_OR_RETURN(w.positions,
                        read.floats(e + "position_embeddings.weight", {config.n_positions, dim}));
  MARU_ASSIGN_OR_RETURN(w.types,
                        read.floats(e + "token_type_embeddings.weight", {info.n_types, dim}));
  MARU_ASSIGN_OR_RETURN(w.embedding_norm, read.norm("embeddings.LayerNorm", dim));
  for (uint32_t i = 0; i < info.n_layers; ++i) {
    const std::string l = "encoder.layer." + std::to_string(i) + ".", a = l + "attention.";
    EncoderLayer layer;
    MARU_ASSIGN_OR_RETURN(
        layer.qkv, read.linear({a + "self.query", a + "self.key", a + "self.value"}, dim, dim));
    MARU_ASSIGN_OR_RETURN(layer.attention_out, read.linear({a + "output.dense"}, dim, dim));
    MARU_ASSIGN_OR_RETURN(layer.attention_norm, read.norm(a + "output.LayerNorm", dim));
    MARU_ASSIGN_OR_RETURN(layer.up, read.linear({l + "intermediate.dense"}, info.n_ffn, dim));
    MARU_ASSIGN_OR_RETURN(layer.down, read.linear({l + "output.dense"}, dim, info.n_ffn));
    MARU_ASSIGN_OR_RETURN(layer.ffn_norm, read.norm(l + "output.LayerNorm", dim));
    w.layers.push_back(std::move(layer));
  }
  if (info.n_labels > 0) {
    MARU_ASSIGN_OR_RETURN(w.pooler, read.floats(config.prefix + "pooler.dense.weight", {dim, dim}));
    MARU_ASSIGN_OR_RETURN(w.pooler_bias, read.floats(config.prefix + "pooler.dense.bias", {dim}));
    MARU_ASSIGN_OR_RETURN(w.classifier, read.floats("classifier.weight", {info.n_labels, dim}));
    MARU_ASSIGN_OR_RETURN(w.classifier_bias, read.floats("classifier.bias", {info.n_labels}));
  }
  MARU_RETURN_IF_ERROR(read.check_rest(info.n_labels > 0));
  return w;
}

}  // namespace maru::models
