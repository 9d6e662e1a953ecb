#include "models/config_reading.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "tensor/format.h"

namespace maru::models {
namespace {

Result<kernels::Gate> read_gate(ConfigMap& map, const HfDefaults& defaults) {
  MARU_ASSIGN_OR_RETURN(std::string name,
                        map.text_or(defaults.activation_key, defaults.activation));
  if (name == "silu" || name == "swish") return kernels::Gate::kSilu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return kernels::Gate::kGeluTanh;
  if (name == "gelu") return kernels::Gate::kGelu;
  return map.refusal(defaults.activation_key, "unknown activation",
                     "known are silu, gelu and gelu_pytorch_tanh");
}

// What both formats must satisfy. `n_heads_key`... name the place in the file's own words.
Status check_sizes(const ConfigMap& map, const ModelConfig& config, const char* kv_heads_key,
                   const char* head_dim_key) {
  if (config.n_heads % config.n_kv_heads != 0)
    return map.refusal(kv_heads_key,
                       "must divide the " + std::to_string(config.n_heads) + " heads");
  if (config.head_dim % 2 != 0 || config.head_dim > kMaxHeadDim || config.head_dim == 0)
    return map.refusal(head_dim_key, "head size " + std::to_string(config.head_dim) +
                                         " must be even and 2 to " + std::to_string(kMaxHeadDim));
  return {};
}

Result<uint32_t> head_dim_from_width(const ConfigMap& map, const ModelConfig& config,
                                     const char* heads_key) {
  if (config.dim % config.n_heads != 0)
    return map.refusal(heads_key, "must divide the width " + std::to_string(config.dim));
  return config.dim / config.n_heads;
}

Result<uint32_t> read_vocab_size(const ModelSource& source) {
  const std::string name = source.tensor_name("token_embd.weight", "embed_tokens.weight");
  const formats::TensorInfo* table = source.find_tensor(name);
  if (table == nullptr || table->shape.size() != 2)
    return Error{.code = ErrorCode::kCorrupt,
                 .message = source.path() + ": tensor " + name + " is missing or not a matrix",
                 .hint = "the file holds no complete language model"};
  const uint64_t rows = table->shape[0];
  if (rows == 0 || rows > kMaxVocab)
    return Error{.code = ErrorCode::kTooLarge,
                 .message = source.path() + ": " + name + " has " + std::to_string(rows) +
                            " rows, allowed are 1 to " + std::to_string(kMaxVocab),
                 .hint = kTakeAgain};
  if (auto n = source.n_tokenizer_tokens(); n && *n > rows)
    return Error{.code = ErrorCode::kCorrupt,
                 .message = source.path() + ": the tokenizer has " + std::to_string(*n) +
                            " tokens, but " + name + " only " + std::to_string(rows) + " rows",
                 .hint = "the tokenizer must be the model's own: take both from the same origin"};
  return static_cast<uint32_t>(rows);
}

Status check_config_vocab(ConfigMap& map, const char* key, uint32_t rows) {
  MARU_ASSIGN_OR_RETURN(uint32_t stated, map.count_or(key, rows, 1, kMaxVocab));
  if (stated > rows)
    return map.refusal(key, "the embedding has only " + std::to_string(rows) + " rows");
  return {};
}

Result<nn::RopeSpec> read_llama3(ConfigMap& map, const std::string& prefix, nn::RopeSpec rope) {
  nn::Llama3Scaling s{};
  MARU_ASSIGN_OR_RETURN(s.factor, map.number(prefix + "factor", 1.0, 1e6));
  MARU_ASSIGN_OR_RETURN(s.low_freq_factor, map.number(prefix + "low_freq_factor", 1e-6, 1e6));
  MARU_ASSIGN_OR_RETURN(s.high_freq_factor, map.number(prefix + "high_freq_factor", 1e-6, 1e6));
  MARU_ASSIGN_OR_RETURN(s.original_context,
                        map.number(prefix + "original_max_position_embeddings", 1.0, kMaxContext));
  if (s.high_freq_factor <= s.low_freq_factor)
    return map.refusal(prefix + "high_freq_factor", "must be above low_freq_factor");
  nn::scale_rope_llama3(rope, s);
  return rope;
}

Result<nn::RopeSpec> read_yarn(ConfigMap& map, const std::string& prefix, nn::RopeSpec rope,
                               double base, uint32_t context) {
  nn::YarnScaling s{.base = base, .factor = 1.0, .original_context = 0.0};
  MARU_ASSIGN_OR_RETURN(
      s.original_context,
      map.number_or(prefix + "original_max_position_embeddings", context, 1.0, kMaxContext));
  MARU_ASSIGN_OR_RETURN(s.factor,
                        map.number_or(prefix + "factor", context / s.original_context, 1e-3, 1e6));
  MARU_ASSIGN_OR_RETURN(s.beta_fast, map.number_or(prefix + "beta_fast", 32.0, 1e-3, 1e6));
  MARU_ASSIGN_OR_RETURN(s.beta_slow, map.number_or(prefix + "beta_slow", 1.0, 1e-3, 1e6));
  MARU_ASSIGN_OR_RETURN(s.truncate, map.flag_or(prefix + "truncate", true));
  MARU_ASSIGN_OR_RETURN(double mscale, map.number_or(prefix + "mscale", 0.0, 0.0, 1e3));
  MARU_ASSIGN_OR_RETURN(double mscale_all, map.number_or(prefix + "mscale_all_dim", 0.0, 0.0, 1e3));
  double magnitude = static_cast<double>(nn::yarn_magnitude(s.factor));
  if (mscale > 0.0 && mscale_all > 0.0 && s.factor > 1.0)
    magnitude =
        (0.1 * mscale * std::log(s.factor) + 1.0) / (0.1 * mscale_all * std::log(s.factor) + 1.0);
  MARU_ASSIGN_OR_RETURN(magnitude,
                        map.number_or(prefix + "attention_factor", magnitude, 1e-3, 1e3));
  s.magnitude = static_cast<float>(magnitude);
  nn::scale_rope_yarn(rope, s);
  return rope;
}

Result<nn::RopeSpec> scale_gguf_rope(ConfigMap& map, nn::RopeSpec rope, double base,
                                     uint32_t context) {
  MARU_ASSIGN_OR_RETURN(double old_factor, map.number_or("rope.scale_linear", 1.0, 0.0, 1e6));
  MARU_ASSIGN_OR_RETURN(std::string type,
                        map.text_or("rope.scaling.type", old_factor > 0.0 ? "linear" : "none"));
  MARU_ASSIGN_OR_RETURN(double factor, map.number_or("rope.scaling.factor", old_factor, 0.0, 1e6));
  MARU_ASSIGN_OR_RETURN(double attn_factor,
                        map.number_or("rope.scaling.attn_factor", 1.0, 1e-3, 1e3));
  if (factor == 0.0) factor = 1.0;  // older converters write 0 for none
  map.ignore("rope.scaling.finetuned");
  MARU_ASSIGN_OR_RETURN(double original, map.number_or("rope.scaling.original_context_length",
                                                       context, 1.0, kMaxContext));
  if (type == "none" || type == "linear") {
    if (type == "linear") nn::scale_rope_linear(rope, factor);
    rope.magnitude = static_cast<float>(attn_factor);
    return rope;
  }
  if (type != "yarn")
    return map.refusal("rope.scaling.type", "unknown rope scaling", "known are linear and yarn");
  nn::YarnScaling s{.base = base, .factor = factor, .original_context = original};
  MARU_ASSIGN_OR_RETURN(s.beta_fast, map.number_or("rope.scaling.yarn_beta_fast", 32.0, 1e-3, 1e6));
  MARU_ASSIGN_OR_RETURN(s.beta_slow, map.number_or("rope.scaling.yarn_beta_slow", 1.0, 1e-3, 1e6));
  s.magnitude = static_cast<float>(attn_factor) * nn::yarn_magnitude(factor);
  nn::scale_rope_yarn(rope, s);
  return rope;
}

bool contains_any(std::string_view key, std::span<const std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return key.find(part) != std::string_view::npos;
  });
}

}  // namespace

Result<ModelConfig> read_hf_sizes(ModelSource& source, const HfDefaults& defaults) {
  ConfigMap& map = source.config();
  ModelConfig c;
  MARU_ASSIGN_OR_RETURN(c.n_layers, map.count("num_hidden_layers", 1, kMaxLayers));
  MARU_ASSIGN_OR_RETURN(c.dim, map.count("hidden_size", 1, kMaxDim));
  MARU_ASSIGN_OR_RETURN(c.ffn_dim, map.count("intermediate_size", 1, kMaxFfnDim));
  if (defaults.n_heads == 0) {
    MARU_ASSIGN_OR_RETURN(c.n_heads, map.count("num_attention_heads", 1, kMaxHeads));
  } else {
    MARU_ASSIGN_OR_RETURN(c.n_heads,
                          map.count_or("num_attention_heads", defaults.n_heads, 1, kMaxHeads));
  }
  MARU_ASSIGN_OR_RETURN(
      c.n_kv_heads,
      map.count_or("num_key_value_heads",
                   defaults.n_kv_heads == 0 ? c.n_heads : defaults.n_kv_heads, 1, kMaxHeads));
  if (map.has("head_dim")) {
    MARU_ASSIGN_OR_RETURN(c.head_dim, map.count("head_dim", 2, kMaxHeadDim));
  } else if (defaults.head_dim != 0) {
    c.head_dim = defaults.head_dim;
  } else {
    MARU_ASSIGN_OR_RETURN(c.head_dim, head_dim_from_width(map, c, "num_attention_heads"));
  }
  MARU_RETURN_IF_ERROR(check_sizes(map, c, "num_key_value_heads", "head_dim"));
  MARU_ASSIGN_OR_RETURN(c.context_length, map.count_or("max_position_embeddings",
                                                       defaults.context_length, 1, kMaxContext));
  MARU_ASSIGN_OR_RETURN(double eps, map.number_or("rms_norm_eps", defaults.norm_eps, 1e-30, 1.0));
  c.norm_eps = static_cast<float>(eps);
  MARU_ASSIGN_OR_RETURN(c.gate, read_gate(map, defaults));
  MARU_ASSIGN_OR_RETURN(c.tied_head, map.flag_or("tie_word_embeddings", defaults.tied_head));
  MARU_ASSIGN_OR_RETURN(c.vocab_size, read_vocab_size(source));
  MARU_RETURN_IF_ERROR(check_config_vocab(map, "vocab_size", c.vocab_size));
  return c;
}

Result<ModelConfig> read_gguf_sizes(ModelSource& source) {
  ConfigMap& map = source.config();
  ModelConfig c;
  MARU_ASSIGN_OR_RETURN(c.n_layers, map.count("block_count", 1, kMaxLayers));
  MARU_ASSIGN_OR_RETURN(c.dim, map.count("embedding_length", 1, kMaxDim));
  MARU_ASSIGN_OR_RETURN(c.ffn_dim, map.count("feed_forward_length", 1, kMaxFfnDim));
  MARU_ASSIGN_OR_RETURN(c.n_heads, map.count("attention.head_count", 1, kMaxHeads));
  MARU_ASSIGN_OR_RETURN(c.n_kv_heads,
                        map.count_or("attention.head_count_kv", c.n_heads, 1, kMaxHeads));
  if (map.has("attention.key_length")) {
    MARU_ASSIGN_OR_RETURN(c.head_dim, map.count("attention.key_length", 2, kMaxHeadDim));
  } else {
    MARU_ASSIGN_OR_RETURN(c.head_dim, head_dim_from_width(map, c, "attention.head_count"));
  }
  MARU_ASSIGN_OR_RETURN(uint32_t v_dim,
                        map.count_or("attention.value_length", c.head_dim, 1, kMaxHeadDim));
  if (v_dim != c.head_dim)
    return map.refusal("attention.value_length",
                       "must equal the key length " + std::to_string(c.head_dim));
  MARU_RETURN_IF_ERROR(check_sizes(map, c, "attention.head_count_kv", "attention.key_length"));
  MARU_ASSIGN_OR_RETURN(c.context_length, map.count("context_length", 1, kMaxContext));
  MARU_ASSIGN_OR_RETURN(double eps, map.number("attention.layer_norm_rms_epsilon", 1e-30, 1.0));
  c.norm_eps = static_cast<float>(eps);
  c.tied_head = source.find_tensor("output.weight") == nullptr;
  MARU_ASSIGN_OR_RETURN(c.vocab_size, read_vocab_size(source));
  MARU_RETURN_IF_ERROR(check_config_vocab(map, "vocab_size", c.vocab_size));
  auto has = [&](const char* name) { return source.find_tensor(name) != nullptr; };
  c.q_bias = has("blk.0.attn_q.bias");
  c.k_bias = has("blk.0.attn_k.bias");
  c.v_bias = has("blk.0.attn_v.bias");
  c.o_bias = has("blk.0.attn_output.bias");
  c.gate_bias = has("blk.0.ffn_gate.bias");
  c.up_bias = has("blk.0.ffn_up.bias");
  c.down_bias = has("blk.0.ffn_down.bias");
  return c;
}

Result<double> read_rope_base(ConfigMap& map, const std::string& key, double fallback) {
  return map.number_or(key, fallback, 1.0 + 1e-6, 1e15);
}

Result<nn::RopeSpec> read_hf_rope_at(ModelSource& source, const ModelConfig& config,
                                     const std::string& prefix, double theta) {
  ConfigMap& map = source.config();
  const std::string part_key = map.has(prefix + "partial_rotary_factor")
                                   ? prefix + "partial_rotary_factor"
                                   : "partial_rotary_factor";
  MARU_ASSIGN_OR_RETURN(double part, map.number_or(part_key, 1.0, 0.0, 1.0));
  const auto n_rot = static_cast<size_t>(static_cast<double>(config.head_dim) * part);
  if (n_rot % 2 != 0 || n_rot == 0)
    return map.refusal(part_key, "must leave an even number of values of a head");
  nn::RopeSpec rope = nn::plain_rope(theta, n_rot, false);
  // Oldest files say "type", newer ones "rope_type"; some say both.
  MARU_ASSIGN_OR_RETURN(std::string type, map.text_or(prefix + "type", "default"));
  MARU_ASSIGN_OR_RETURN(type, map.text_or(prefix + "rope_type", type));
  if (type == "default") {
    map.ignore(prefix + "factor");
    map.ignore(prefix + "original_max_position_embeddings");
    return rope;
  }
  if (type == "linear") {
    MARU_ASSIGN_OR_RETURN(double factor, map.number(prefix + "factor", 1e-3, 1e6));
    nn::scale_rope_linear(rope, factor);
    return rope;
  }
  if (type == "llama3") return read_llama3(map, prefix, std::move(rope));
  if (type == "yarn") return read_yarn(map, prefix, std::move(rope), theta, config.context_length);
  return map.refusal(prefix + (map.has(prefix + "rope_type") ? "rope_type" : "type"),
                     "unknown rope scaling", "known are default, linear, llama3 and yarn");
}

Result<nn::RopeSpec> read_hf_rope(ModelSource& source, const ModelConfig& config,
                                  double default_theta) {
  ConfigMap& map = source.config();
  MARU_ASSIGN_OR_RETURN(double theta, read_rope_base(map, "rope_theta", default_theta));
  if (map.has("rope_parameters.rope_theta") || map.has("rope_parameters.rope_type")) {
    MARU_ASSIGN_OR_RETURN(theta, read_rope_base(map, "rope_parameters.rope_theta", theta));
    return read_hf_rope_at(source, config, "rope_parameters.", theta);
  }
  return read_hf_rope_at(source, config, "rope_scaling.", theta);
}

Result<nn::RopeSpec> read_gguf_rope(ModelSource& source, const ModelConfig& config,
                                    bool interleaved, double default_base) {
  ConfigMap& map = source.config();
  MARU_ASSIGN_OR_RETURN(double base, read_rope_base(map, "rope.freq_base", default_base));
  MARU_ASSIGN_OR_RETURN(uint32_t n_rot,
                        map.count_or("rope.dimension_count", config.head_dim, 2, config.head_dim));
  if (n_rot % 2 != 0) return map.refusal("rope.dimension_count", "must be even");
  MARU_ASSIGN_OR_RETURN(
      nn::RopeSpec rope,
      scale_gguf_rope(map, nn::plain_rope(base, n_rot, interleaved), base, config.context_length));
  if (const formats::TensorInfo* t = source.find_tensor("rope_freqs.weight")) {
    MARU_ASSIGN_OR_RETURN(std::vector<float> factors, read_vector(source, *t, n_rot / 2));
    const bool usable = std::all_of(factors.begin(), factors.end(),
                                    [](float f) { return std::isfinite(f) && f > 0.0f; });
    if (!usable)
      return Error{.code = ErrorCode::kCorrupt,
                   .message = source.path() + ": rope_freqs.weight must hold numbers above 0"};
    nn::scale_rope_by_factors(rope, factors);
  }
  return rope;
}

void set_uniform_layers(ModelConfig& config, nn::RopeSpec rope, uint32_t window) {
  config.ropes = {std::move(rope)};
  config.layers.assign(config.n_layers,
                       {.window = window,
                        .rope = 0,
                        .attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim))});
}

Result<std::vector<bool>> read_hf_window_layers(ConfigMap& map, uint32_t n_layers,
                                                bool (*is_window)(uint32_t, uint32_t),
                                                uint32_t arg) {
  std::vector<bool> result;
  MARU_ASSIGN_OR_RETURN(std::vector<std::string> types, map.texts("layer_types"));
  if (types.empty()) {
    for (uint32_t i = 0; i < n_layers; ++i) result.push_back(is_window(i, arg));
    return result;
  }
  if (types.size() != n_layers)
    return map.refusal("layer_types", "must have one entry for each of the " +
                                          std::to_string(n_layers) + " layers");
  for (const std::string& type : types) {
    if (type != "full_attention" && type != "sliding_attention")
      return map.refusal("layer_types", "unknown kind of layer \"" + type.substr(0, 40) + "\"",
                         "known are full_attention and sliding_attention");
    result.push_back(type == "sliding_attention");
  }
  return result;
}

Status read_hf_late_windows(ModelSource& source, ModelConfig& config) {
  ConfigMap& map = source.config();
  MARU_ASSIGN_OR_RETURN(bool use, map.flag_or("use_sliding_window", false));
  const uint32_t fallback = map.mentions("sliding_window") ? 0 : 4096;
  MARU_ASSIGN_OR_RETURN(uint32_t window, map.count_or("sliding_window", fallback, 1, kMaxContext));
  MARU_ASSIGN_OR_RETURN(uint32_t first, map.count_or("max_window_layers", 28, 0, kMaxContext));
  MARU_ASSIGN_OR_RETURN(std::vector<bool> is,
                        read_hf_window_layers(
                            map, config.n_layers,
                            [](uint32_t layer, uint32_t from) { return layer >= from; }, first));
  for (uint32_t i = 0; use && i < config.n_layers; ++i)
    config.layers[i].window = is[i] ? window : 0;
  return {};
}

Result<std::vector<float>> read_vector(const ModelSource& source, const formats::TensorInfo& tensor,
                                       uint64_t n) {
  const tensor::BlockFormat* format = tensor::find_format_by_gguf_type(tensor.gguf_type);
  if (format == nullptr || tensor.shape.size() != 1 || tensor.shape[0] != n ||
      n % format->block_values != 0)
    return Error{.code = ErrorCode::kCorrupt,
                 .message = source.path() + ": tensor " + tensor.name + " must be a vector of " +
                            std::to_string(n) + " numbers",
                 .hint = kTakeAgain};
  std::vector<float> out(n);
  format->dequantise(tensor.data.data(), out.data(), n);
  return out;
}

Status refuse_unread_gguf(ModelSource& source) {
  // GGUF keeps everything that matters below the architecture's name, so unknown keys are refused.
  static constexpr std::array<std::string_view, 1> kHarmless = {"tensor_data_layout"};
  ConfigMap& map = source.config();
  MARU_ASSIGN_OR_RETURN(bool causal, map.flag_or("attention.causal", true));
  if (!causal) return map.refusal("attention.causal", "Maru runs causal models only");
  return map.refuse_unread([](std::string_view key) { return !contains_any(key, kHarmless); });
}

Status refuse_unread_hf(ModelSource& source) {
  // config.json also holds names of tools, dropout rates and token ids; these parts of keys speak
  // of the computation.
  static constexpr std::array<std::string_view, 24> kMatters = {
      "expert",     "moe",       "softcap",    "lora",     "multiplier",    "logit_scale",
      "logits_sca", "rope_",     "sink",       "alibi",    "partial_rot",   "quantization",
      "sliding",    "window",    "layer_type", "_bias",    "bidirectional", "qk_norm",
      "qk_layer",   "post_norm", "parallel_",  "clip_qkv", "attn_scale",    "head_dim"};
  return source.config().refuse_unread(
      [](std::string_view key) { return contains_any(key, kMatters); });
}

}  // namespace maru::models
