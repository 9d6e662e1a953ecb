#include "models/encoder_pooling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace maru::models {
namespace {

void apply(const std::vector<float>& matrix, const std::vector<float>& bias,
           std::span<const float> x, float* out) {
  for (size_t i = 0; i < bias.size(); ++i) {
    const float* row = matrix.data() + i * x.size();
    out[i] = std::inner_product(x.begin(), x.end(), row, bias[i]);
  }
}

}  // namespace

void pool_rows(const EncoderInfo& info, std::span<const float> rows, float* out) {
  std::copy_n(rows.begin(), info.dim, out);
  if (info.pooling == Pooling::kMean) {
    for (size_t at = info.dim; at < rows.size(); at += info.dim) {
      for (size_t i = 0; i < info.dim; ++i) out[i] += rows[at + i];
    }
    const float share = static_cast<float>(info.dim) / static_cast<float>(rows.size());
    for (size_t i = 0; i < info.dim; ++i) out[i] *= share;
  }
  if (!info.normalises) return;
  const float norm = std::sqrt(std::inner_product(out, out + info.dim, out, 0.0f));
  // As PyTorch's normalize: a vector of zeros stays one.
  for (size_t i = 0; i < info.dim; ++i) out[i] /= std::max(norm, 1e-12f);
}

void classify(const EncoderWeights& weights, std::span<const float> first, float* out) {
  std::vector<float> pooled(first.size());
  apply(weights.pooler, weights.pooler_bias, first, pooled.data());
  for (float& x : pooled) x = std::tanh(x);
  apply(weights.classifier, weights.classifier_bias, pooled, out);
}

}  // namespace maru::models
