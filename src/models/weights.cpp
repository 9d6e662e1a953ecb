#include "models/weights.h"

#include <unordered_set>
#include <utility>

#include "models/config_reading.h"
#include "tensor/format.h"

namespace maru::models {
namespace {

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += std::string(i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

uint64_t axis_size(const ModelConfig& c, Axis axis) {
  switch (axis) {
    case Axis::kNone: return 1;
    case Axis::kDim: return c.dim;
    case Axis::kHeads: return uint64_t{c.n_heads} * c.head_dim;
    case Axis::kKvHeads: return uint64_t{c.n_kv_heads} * c.head_dim;
    case Axis::kHeadDim: return c.head_dim;
    case Axis::kFfn: return c.ffn_dim;
  }
  return 0;
}

class WeightReader {
 public:
  WeightReader(const ModelSource& source, const ModelConfig& config, const WeightFeed& feed)
      : source_(source), config_(config), feed_(feed) {}

  Status read(Weights& w, const Family& family) {
    const uint64_t vocab = config_.vocab_size, dim = config_.dim;
    MARU_RETURN_IF_ERROR(read_matrix(
        source_.tensor_name("token_embd.weight", "embed_tokens.weight"), vocab, dim, w.embedding));
    const std::string head = source_.tensor_name("output.weight", "lm_head.weight");
    if (config_.tied_head) {
      used_.insert(head);  // some files repeat the embedding under this name
    } else {
      MARU_RETURN_IF_ERROR(read_matrix(head, vocab, dim, w.head));
    }
    MARU_RETURN_IF_ERROR(
        read_norm(source_.tensor_name("output_norm.weight", "norm.weight"), dim, w.output_norm));
    w.blocks.resize(config_.n_layers);
    for (uint32_t layer = 0; layer < config_.n_layers; ++layer)
      for (const TensorRule& rule : family.tensors)
        MARU_RETURN_IF_ERROR(read_rule(rule, layer, w.blocks[layer]));
    return refuse_others();
  }

 private:
  Error wrong(const std::string& name, const std::string& why) const {
    return {.code = ErrorCode::kCorrupt,
            .message = source_.path() + ": tensor " + name + " " + why,
            .hint = "the file is damaged or of a model that this version of Maru does not know"};
  }

  Result<const formats::TensorInfo*> find(const std::string& name,
                                          const std::vector<uint64_t>& shape) {
    const formats::TensorInfo* tensor = source_.find_tensor(name);
    if (tensor == nullptr) {
      const std::string why = source_.why_unreadable(name);
      return wrong(name, why.empty() ? "is missing" : why + ", which Maru does not read");
    }
    if (tensor->shape != shape)
      return wrong(name, "has shape " + shape_text(tensor->shape) +
                             ", the configuration asks for " + shape_text(shape));
    used_.insert(name);
    return tensor;
  }

  Status read_rule(const TensorRule& rule, uint32_t layer, BlockWeights& block) {
    const std::string name = source_.block_tensor(layer, rule.gguf, rule.hf, ".weight");
    const uint64_t in = axis_size(config_, rule.in), out = axis_size(config_, rule.out);
    if (rule.vector != nullptr) return read_norm(name, in, block.*rule.vector);
    nn::Linear& linear = block.*rule.linear;
    MARU_RETURN_IF_ERROR(read_matrix(name, out, in, linear));
    if (rule.bias == nullptr || !(config_.*rule.bias)) return {};
    return read_floats(source_.block_tensor(layer, rule.gguf, rule.hf, ".bias"), out, 0.0f,
                       linear.bias);
  }

  // Every value plus `offset`.
  Status read_floats(const std::string& name, uint64_t n, float offset, std::vector<float>& to) {
    MARU_ASSIGN_OR_RETURN(const formats::TensorInfo* tensor, find(name, {n}));
    if (feed_.cache != nullptr) {
      MARU_ASSIGN_OR_RETURN(const std::span<const float> floats, feed_.cache->floats(name, n));
      to.assign(floats.begin(), floats.end());
      return {};
    }
    if (feed_.pool == nullptr) {
      to.assign(n, 0.0f);
      return {};
    }
    MARU_ASSIGN_OR_RETURN(to, read_vector(source_, *tensor, n));
    for (float& value : to) value += offset;
    const auto* raw = reinterpret_cast<const uint8_t*>(to.data());
    add_part({.name = name, .n_out = n, .bytes = {raw, n * sizeof(float)}});
    return {};
  }

  Status read_norm(const std::string& name, uint64_t n, std::vector<float>& to) {
    return read_floats(name, n, config_.norm_offset, to);
  }

  void add_part(tensor::PackedPart part) const {
    if (feed_.parts != nullptr) feed_.parts->push_back(std::move(part));
  }

  Status read_matrix(const std::string& name, uint64_t n_out, uint64_t k, nn::Linear& to) {
    MARU_ASSIGN_OR_RETURN(const formats::TensorInfo* tensor, find(name, {n_out, k}));
    const tensor::BlockFormat* format = tensor::find_format_by_gguf_type(tensor->gguf_type);
    if (format == nullptr)
      return wrong(name, "has block format number " + std::to_string(tensor->gguf_type) +
                             ", which Maru does not read");
    const uint64_t multiple =
        format->float_input ? 1 : std::max<uint64_t>(format->block_values, kernels::kActBlock);
    if (k % multiple != 0)
      return wrong(name, std::string("of format ") + format->name +
                             " needs rows of a multiple of " + std::to_string(multiple) +
                             " values, not " + std::to_string(k));
    if (feed_.cache != nullptr) {
      MARU_ASSIGN_OR_RETURN(to.weight, feed_.cache->matrix(name, *format, n_out, k));
      return {};
    }
    if (feed_.pool == nullptr) {
      to.weight = tensor::PackedWeight::without_data(*format, n_out, k);
      return {};
    }
    to.weight = tensor::PackedWeight::pack(*format, tensor->data.data(), n_out, k, *feed_.pool);
    source_.drop(*tensor);
    add_part({.name = name,
              .format = format,
              .n_out = n_out,
              .k = k,
              .bytes = {to.weight.panels(), to.weight.bytes()}});
    return {};
  }

  Status refuse_others() const {
    for (const formats::TensorInfo& tensor : source_.tensors()) {
      if (used_.contains(tensor.name) || source_.is_ignored(tensor.name)) continue;
      if (source_.is_gguf() && tensor.name == "rope_freqs.weight") continue;  // read with the rope
      return wrong(tensor.name, "is not part of this kind of model");
    }
    return {};
  }

  const ModelSource& source_;
  const ModelConfig& config_;
  const WeightFeed& feed_;
  std::unordered_set<std::string> used_;
};

}  // namespace

Result<Weights> read_weights(const ModelSource& source, const Family& family,
                             const ModelConfig& config, const WeightFeed& feed) {
  Weights weights;
  MARU_RETURN_IF_ERROR(WeightReader(source, config, feed).read(weights, family));
  return weights;
}

uint64_t weight_bytes(const Weights& weights) {
  uint64_t total = 0;
  auto add_linear = [&](const nn::Linear& l) {
    if (!l.weight.empty()) total += l.weight.bytes();
    total += l.bias.size() * sizeof(float);
  };
  auto add_vector = [&](const std::vector<float>& v) { total += v.size() * sizeof(float); };
  add_linear(weights.embedding);
  add_linear(weights.head);
  add_vector(weights.output_norm);
  for (const BlockWeights& b : weights.blocks) {
    for (const nn::Linear* l : {&b.q, &b.k, &b.v, &b.o, &b.gate, &b.up, &b.down}) add_linear(*l);
    for (const auto* v :
         {&b.attn_norm, &b.q_norm, &b.k_norm, &b.attn_post_norm, &b.ffn_norm, &b.ffn_post_norm})
      add_vector(*v);
  }
  return total;
}

}  // namespace maru::models
