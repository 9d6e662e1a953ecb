// The weights of a model: found by name, checked against the configuration, packed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "models/family.h"
#include "models/source.h"
#include "nn/graph.h"
#include "tensor/packed_cache.h"

namespace maru::models {

struct Weights {
  nn::Linear embedding;  // [vocab, dim]
  nn::Linear head;       // [vocab, dim]; empty if the embedding serves
  std::vector<float> output_norm;
  std::vector<BlockWeights> blocks;

  const nn::Linear& output() const { return head.weight.empty() ? embedding : head; }
};

// Where read_weights takes numbers from.
struct WeightFeed {
  // Packs the source's tensors. Null: only shapes and formats are taken (to plan memory,
  // PackedWeight::without_data); vectors have the right size and hold zeros.
  ThreadPool* pool = nullptr;
  // Gives everything instead, and outlives the weights; the source's tensors are not touched.
  const tensor::PackedCache* cache = nullptr;
  // Gets what a cache needs, in the order of loading; views into the weights, also once moved.
  std::vector<tensor::PackedPart>* parts = nullptr;
};

// Takes every tensor that the family and configuration ask for. A missing, misshapen or superfluous
// tensor is an error that names it.
Result<Weights> read_weights(const ModelSource& source, const Family& family,
                             const ModelConfig& config, const WeightFeed& feed);

uint64_t weight_bytes(const Weights& weights);

}  // namespace maru::models
