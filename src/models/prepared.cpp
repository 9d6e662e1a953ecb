#include "models/prepared.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kernels/dispatch.h"
#include "models/config_reading.h"
#include "tensor/format.h"

namespace maru::models {

// Written by cmake/registry.cmake.
extern const Family* const kFamilies[];
extern const unsigned long kFamilies_size;

std::span<const Family* const> all_families() { return {kFamilies, kFamilies_size}; }

Result<const Family*> find_family(const ModelSource& source) {
  std::string known;
  for (const Family* family : all_families()) {
    for (const char* name :
         source.is_gguf() ? family->gguf_architectures : family->hf_model_types) {
      if (source.architecture() == name) return family;
      known += std::string(known.empty() ? "" : ", ") + name;
    }
  }
  return Error{.code = ErrorCode::kInvalidArgument,
               .message = source.path() + ": unknown " +
                          (source.is_gguf() ? "general.architecture" : "model_type") + " \"" +
                          source.architecture().substr(0, 80) + "\"",
               .hint = "known are " + known};
}

KvLayout plan_kv(ModelConfig& config, kernels::KvType type) {
  KvLayout kv;
  kv.type = type;
  const size_t layer_bytes = 2 * config.n_kv_heads * kernels::kv_row_bytes(type, config.head_dim);
  for (LayerSpec& layer : config.layers) {
    auto group = std::find_if(kv.groups.begin(), kv.groups.end(),
                              [&](const KvGroup& g) { return g.window == layer.window; });
    if (group == kv.groups.end())
      group = kv.groups.insert(kv.groups.end(), KvGroup{.window = layer.window});
    layer.attend = {.kv_group = static_cast<uint32_t>(group - kv.groups.begin()),
                    .layer_in_group = group->n_layers,
                    .n_heads = config.n_heads,
                    .n_kv_heads = config.n_kv_heads,
                    .head_dim = config.head_dim,
                    .window = layer.window,
                    .scale = layer.attention_scale};
    ++group->n_layers;
    group->bytes_per_token += layer_bytes;
  }
  return kv;
}

Result<PreparedModel> prepare_model(const std::string& path, kernels::KvType kv_type,
                                    Precision precision) {
  PreparedModel m;
  MARU_ASSIGN_OR_RETURN(m.source, ModelSource::open(path));
  MARU_ASSIGN_OR_RETURN(m.family, find_family(m.source));
  Result<ModelConfig> config =
      m.source.is_gguf() ? m.family->read_gguf(m.source) : m.family->read_hf(m.source);
  Status rest = config.has_value() ? (m.source.is_gguf() ? refuse_unread_gguf(m.source)
                                                         : refuse_unread_hf(m.source))
                                   : Status(config.error());
  if (!rest) {
    Error error = rest.error();
    if (error.message.find(path) == std::string::npos) error.message = path + ": " + error.message;
    return error;
  }
  m.config = std::move(config).value();
  m.kv = plan_kv(m.config, kv_type);
  m.precision = precision;
  return m;
}

nn::Program compile_model(const PreparedModel& model, const Weights& weights, bool fused) {
  const ModelConfig& c = model.config;
  nn::Graph g(c.ropes);
  nn::Value x = g.embed(weights.embedding, c.embedding_scale);
  for (uint32_t i = 0; i < c.n_layers; ++i)
    x = model.family->block(g, c, c.layers[i], weights.blocks[i], x);
  x = g.rms_norm(g.pick(x), weights.output_norm, c.norm_eps);
  x = g.linear(x, weights.output());
  if (c.logit_softcap > 0.0f) x = g.softcap(x, c.logit_softcap);
  return nn::compile(g, x, fused, model.precision == Precision::kHigh ? 2 : 1);
}

namespace {

// FNV-1a over 64 bits; for identity, not against forgery.
class Fingerprint {
 public:
  void add(const void* data, size_t n) {
    const auto* p = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < n; ++i) hash_ = (hash_ ^ p[i]) * 0x100000001b3u;
  }
  void add(const std::string& text) {
    add(text.data(), text.size());
    add(uint64_t{text.size()});
  }
  void add(uint64_t x) { add(&x, sizeof x); }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

void add_directory(const ModelSource& source, Fingerprint& f) {
  f.add(source.architecture());
  f.add(source.config().canonical_text());
}

void add_tensor(const formats::TensorInfo& tensor, Fingerprint& f) {
  f.add(tensor.name);
  f.add(uint64_t{tensor.gguf_type});
  for (uint64_t n : tensor.shape) f.add(n);
  f.add(uint64_t{tensor.data.size()});
}

}  // namespace

uint64_t fingerprint_of(const ModelSource& source) {
  constexpr size_t kSamples = 4, kSampleBytes = 64;
  Fingerprint f;
  add_directory(source, f);
  for (const formats::TensorInfo& tensor : source.tensors()) {
    add_tensor(tensor, f);
    for (size_t i = 0; i < kSamples; ++i) {
      const size_t n = std::min(kSampleBytes, tensor.data.size());
      const size_t at = (tensor.data.size() - n) / (kSamples - 1) * i;
      f.add(tensor.data.data() + at, n);
    }
  }
  return f.value();
}

tensor::PackedOrigin origin_of(const ModelSource& source) {
  Fingerprint f;
  add_directory(source, f);
  for (const formats::TensorInfo& tensor : source.tensors()) add_tensor(tensor, f);
  std::error_code code;
  auto path = std::filesystem::canonical(source.path(), code);
  return {.path = code ? source.path() : path.string(),
          .files = source.stamps(),
          .directory_hash = f.value()};
}

ModelInfo describe_model(const PreparedModel& m, uint64_t fingerprint) {
  const ModelConfig& c = m.config;
  ModelInfo info;
  info.family = m.family->name;
  info.name = m.source.name();
  info.licence = m.source.licence();
  ModelSource::Sizes sizes = m.source.sizes();
  info.n_parameters = sizes.n_parameters;
  info.format_bytes = std::move(sizes.format_bytes);
  info.n_layers = c.n_layers;
  info.n_heads = c.n_heads;
  info.n_kv_heads = c.n_kv_heads;
  info.head_dim = c.head_dim;
  info.dim = c.dim;
  info.vocab_size = c.vocab_size;
  info.context_length = c.context_length;
  info.fingerprint = fingerprint;
  return info;
}

}  // namespace maru::models
