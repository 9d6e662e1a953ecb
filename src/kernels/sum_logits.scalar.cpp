// What sampling needs to know of a row of logits, block by block: with it, greedy decoding, top-k,
// top-p and the draw itself look at few blocks instead of the whole vocabulary.
#include "kernels/sum_logits.h"

#include "kernels/math.h"

namespace maru::kernels {
namespace {

LogitBlock sum_block(const float* x, size_t n, float scale) {
  float largest = x[0];
  float zeros = 0.0f;
  for (size_t i = 0; i < n; ++i) {
    largest = x[i] > largest ? x[i] : largest;
    zeros += x[i] * 0.0f;  // NaN unless x is finite
  }
  if (zeros != 0.0f) return {__builtin_nanf(""), 0.0f};
  if (scale == 0.0f) return {largest, 0.0f};
  float sum = 0.0f;
  for (size_t i = 0; i < n; ++i) sum += exp_poly((x[i] - largest) * scale);
  return {largest, sum};
}

}  // namespace

extern const Kernel kernel_sum_logits_scalar;
constinit const Kernel kernel_sum_logits_scalar = {
    Op::kSumLogits, Isa::kScalar, nullptr, {.sum_logits = sum_logit_blocks<sum_block>}};

}  // namespace maru::kernels
