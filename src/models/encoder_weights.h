// What an encoder is made of in memory, and how a family of files fills it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "models/encoder.h"
#include "models/source.h"

namespace maru::models {

// y = x W^T + bias in 16-bit integers (kernels/kernel_api.h: Linear16Args).
struct Linear16 {
  struct AlignedFree {
    void operator()(int16_t* p) const;
  };
  size_t n_out = 0, k = 0, ld = 0;
  std::unique_ptr<int16_t[], AlignedFree> panels;
  std::vector<float> steps, bias;  // [n_out]

  size_t n_panels() const { return n_out / kernels::kPanelRows; }
  size_t bytes() const { return n_out * ld * sizeof(int16_t) + n_out * 2 * sizeof(float); }
};

struct NormWeights {
  std::vector<float> weight, bias;
};

struct EncoderLayer {
  Linear16 qkv;  // [3 * dim, dim]: queries, keys, values
  Linear16 attention_out, up, down;
  NormWeights attention_norm, ffn_norm;
};

struct EncoderConfig {
  EncoderInfo info;
  uint32_t n_positions = 0;
  float norm_eps = 0;
  std::string prefix;  // of tensor names
};

struct EncoderWeights {
  const formats::TensorInfo* words = nullptr;  // [n_vocab, dim], read row by row from the file
  std::vector<float> positions;                // [n_positions, dim]
  std::vector<float> types;                    // [n_types, dim]
  NormWeights embedding_norm;
  std::vector<EncoderLayer> layers;
  std::vector<float> pooler, pooler_bias;          // [dim, dim], [dim]; empty without labels
  std::vector<float> classifier, classifier_bias;  // [n_labels, dim], [n_labels]
};

// Errors: those of Encoder::load.
Result<EncoderConfig> read_bert_config(ModelSource& source);
// Checks every name and shape; packs only if `pool` is given.
Result<EncoderWeights> read_bert_weights(const ModelSource& source, const EncoderConfig& config,
                                         ThreadPool* pool);

}  // namespace maru::models
