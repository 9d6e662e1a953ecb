// Turns the record of a graph into stages: lists of fused steps that the executor runs one after
// the other, one barrier each. ARCHITECTURE.md describes the stages of a decoder block.
//
// Fused, a llama block is six stages: norm + quantise + q/k/v products; rope + store K/V +
// attention (two barriers); quantise + output product + residual; norm + quantise + gate/up
// products + activation; quantise + down product + residual. Unfused, every node is a stage and has
// a buffer of its own: slower, simple, and the oracle of the fused form.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace maru::nn {

using BufferId = uint32_t;
inline constexpr BufferId kNoBuffer = UINT32_MAX;
inline constexpr BufferId kLogitsBuffer = UINT32_MAX - 1;  // the caller's memory

struct Step {
  Node node;
  std::array<BufferId, 3> in = {kNoBuffer, kNoBuffer, kNoBuffer};
  BufferId out = kNoBuffer;  // equal to in[0] where the step works in place
  std::array<size_t, 3> in_width = {};
  bool accumulate = false;  // kLinear: adds to `out` (the residual)
};

enum class StageBody : uint8_t {
  kNone,          // row steps only
  kProduct,       // linear steps that share their input
  kGatedProduct,  // act(gate product) * up product; the two products exist only in scratch
  kAttend,
};

struct Stage {
  bool picked = false;
  // Of quantised input (kernels/kernel_api.h: QuantiseArgs), made once for all products; 0: none
  // wants it.
  size_t planes = 0;
  size_t n_panels = 0;     // of all products (kGatedProduct: of one, they are alike)
  std::vector<Step> rows;  // first, row by row, in parallel over blocks of rows
  StageBody body = StageBody::kNone;
  std::vector<Step> products;  // kProduct: any number; kGatedProduct: gate, up
  Step gate;                   // kGatedProduct
  Step attend;                 // kAttend; storing K and V belongs to the row part
};

struct Buffer {
  size_t width = 0;  // floats per row
};

struct Program {
  std::vector<Stage> stages;
  std::vector<Buffer> buffers;
  std::vector<RopeSpec> ropes;
  size_t n_logits = 0;  // width of the result
};

// `result`: the graph's last value, the logits. `planes`: of quantised input, 1 or 2.
Program compile(const Graph& graph, Value result, bool fused, size_t planes = 1);

// One line per stage ("rows[rms_norm] product[3]"), for tests and for finding wrong logits.
std::string describe(const Stage& stage);

}  // namespace maru::nn
