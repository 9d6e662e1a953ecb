// Every linear kernel in the table that this CPU can run: the scalar ones against the dequantised
// weights in double arithmetic, the others against the scalar ones. A kernel dropped into
// src/kernels is tested by being there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/activations.h"
#include "tensor/packed_weight.h"
#include "tensor/test_amx_kernels.h"
#include "tensor/test_blocks.h"

namespace maru::tensor {
namespace {

using kernels::Isa;
using kernels::Kernel;
using kernels::kPanelRows;

struct AlignedBytes {
  explicit AlignedBytes(size_t n) : storage(n + 64) {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    data = storage.data() + (64 - address % 64) % 64;
  }
  std::vector<uint8_t> storage;
  uint8_t* data;
};

// Weights, activations and, per result, the exact value and the size of what was added up.
struct Problem {
  Problem(const BlockFormat& f, size_t rows, size_t columns, size_t outputs, Random& random)
      : format(f),
        n_rows(rows),
        k(columns),
        n_out(outputs),
        ld_x(columns + 5),
        x(random_floats(rows * (columns + 5), random)),
        quantised(kernels::quantised_bytes(rows, columns)) {
    const auto blocks = random_blocks(format, n_out * k, random);
    weight = PackedWeight::pack(format, blocks.data(), n_out, k, pool);
    if (!format.float_input) {
      const kernels::KernelSet scalar(Isa::kScalar);
      scalar.quantise({x.data(), ld_x, n_rows, k, 0, n_rows, quantised.data});
    }
    solve(blocks);
  }

  const void* input() const {
    return format.float_input ? static_cast<const void*>(x.data()) : quantised.data;
  }

  // The value that the kernel sees.
  double input_value(size_t row, size_t i) const {
    if (format.float_input) return x[row * ld_x + i];
    const size_t first = row / kernels::kActRowGroup * kernels::kActRowGroup;
    const auto group = kernels::activation_group(quantised.data, n_rows, k, first);
    const size_t t = row - first;
    float scale;
    std::memcpy(&scale, group.scales + (i / 32 * group.width + t) * 4, 4);
    return scale * static_cast<double>(
                       static_cast<int8_t>(group.quants[(i / 4 * group.width + t) * 4 + i % 4]));
  }

  void solve(const std::vector<uint8_t>& blocks) {
    std::vector<float> w(k);
    exact.resize(n_rows * n_out);
    magnitude.resize(n_rows * n_out);
    std::vector<double> inputs(n_rows * k);
    for (size_t t = 0; t < n_rows; ++t) {
      for (size_t i = 0; i < k; ++i) inputs[t * k + i] = input_value(t, i);
    }
    for (size_t row = 0; row < n_out; ++row) {
      format.dequantise(blocks.data() + row * format_bytes(format, k), w.data(), k);
      // Kernels multiply by scale and minimum apart, both bounded by the block's largest value.
      std::vector<double> peak(k);
      for (size_t i = 0; i < k; ++i) {
        if (format.block_values == 1) {
          peak[i] = std::fabs(w[i]);
          continue;
        }
        for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) {
          peak[i] = std::max(peak[i], 2.0 * std::fabs(w[j]));
        }
      }
      for (size_t t = 0; t < n_rows; ++t) {
        double sum = 0, size = 0;
        for (size_t i = 0; i < k; ++i) {
          sum += inputs[t * k + i] * w[i];
          size += std::fabs(inputs[t * k + i]) * peak[i];
        }
        exact[t * n_out + row] = sum;
        magnitude[t * n_out + row] = size;
      }
    }
  }

  // Rounding grows with the number of additions in a row of sums.
  double tolerance(size_t i, double start) const {
    const double additions = static_cast<double>(format.float_input ? k : k / 32 * 4) + 16;
    const double size = magnitude[i] + std::fabs(start);
    return 0.5 * additions * std::numeric_limits<float>::epsilon() * size + 1e-30;
  }

  const BlockFormat& format;
  size_t n_rows, k, n_out, ld_x;
  std::vector<float> x;
  AlignedBytes quantised;
  ThreadPool pool{1};
  PackedWeight weight;
  std::vector<double> exact, magnitude;
};

constexpr float kUntouched = -12345.5f;

// All panels in two calls into one buffer with a gap between rows.
std::vector<float> run(const Kernel& kernel, const Problem& p, bool accumulate, size_t split) {
  const size_t ld_out = p.n_out + 3;
  std::vector<float> out(p.n_rows * ld_out, kUntouched);
  if (accumulate) {
    for (size_t t = 0; t < p.n_rows; ++t) {
      for (size_t i = 0; i < p.n_out; ++i) out[t * ld_out + i] = static_cast<float>(i) * 0.5f;
    }
  }
  kernels::LinearArgs args{.weight = p.weight.panels(),
                           .panel_bytes = p.weight.panel_bytes(),
                           .x = p.input(),
                           .ld_x = p.ld_x,
                           .n_rows = p.n_rows,
                           .k = p.k,
                           .n_out = p.n_out,
                           .panel_begin = 0,
                           .panel_end = split,
                           .out = out.data(),
                           .ld_out = ld_out,
                           .row_base = 0,
                           .accumulate = accumulate};
  kernel.fn.linear(args);
  args.panel_begin = split;
  args.panel_end = p.weight.n_panels();
  args.row_base = split * kPanelRows;
  args.out = out.data() + args.row_base;
  if (split < args.panel_end) kernel.fn.linear(args);
  for (size_t t = 0; t < p.n_rows; ++t) {
    for (size_t i = p.n_out; i < ld_out; ++i) EXPECT_EQ(out[t * ld_out + i], kUntouched);
  }
  return out;
}

void check(const Kernel& kernel, const Problem& p, bool accumulate, size_t split) {
  const auto out = run(kernel, p, accumulate, split);
  for (size_t t = 0; t < p.n_rows; ++t) {
    for (size_t i = 0; i < p.n_out; ++i) {
      const double start = accumulate ? static_cast<double>(i) * 0.5 : 0;
      const size_t at = t * p.n_out + i;
      ASSERT_NEAR(out[t * (p.n_out + 3) + i], start + p.exact[at], p.tolerance(at, start))
          << "rows " << p.n_rows << " k " << p.k << " n_out " << p.n_out << " token " << t
          << " row " << i;
    }
  }
}

std::vector<const Kernel*> kernels_of(const BlockFormat& format) {
  std::vector<const Kernel*> found;
  for (const Kernel* kernel : kernels::all_kernels()) {
    if (kernel->op == kernels::Op::kLinear && kernels::is_supported(kernel->isa) &&
        std::string_view(kernel->layout) == format.layout) {
      found.push_back(kernel);
    }
  }
  if (kernels::is_supported(Isa::kAvx512)) {
    for (const Kernel& kernel : kernels::amx_model_kernels()) {
      if (std::string_view(kernel.layout) == format.layout) found.push_back(&kernel);
    }
  }
  return found;
}

std::vector<size_t> widths_of(const BlockFormat& format) {
  if (format.block_values == 1) return {1, 7, 32, 65, 576};
  if (format.block_values == 32) return {32, 64, 96, 576, 1568};
  return {256, 512, 2304};
}

class LinearKernels : public testing::TestWithParam<const BlockFormat*> {};

TEST_P(LinearKernels, AreWithinTheRoundingBound) {
  const BlockFormat& format = *GetParam();
  Random random(3);
  const size_t all_rows[] = {1, 2, 3, 4, 5, 6, 7, 13, 31, 75, 76, 77, 79, 80, 90};
  const size_t all_outputs[] = {1, 15, 16, 17, 33, 48, 80, 83};
  size_t n = 0;
  for (size_t k : widths_of(format)) {
    for (size_t rows : all_rows) {
      if (k > 1000 && rows % 2 == 0) continue;  // the time is better spent on small shapes
      const Problem problem(format, rows, k, all_outputs[n++ % std::size(all_outputs)], random);
      for (const Kernel* kernel : kernels_of(format)) {
        SCOPED_TRACE(std::string(format.name) + " " + kernels::isa_name(kernel->isa));
        check(*kernel, problem, n % 2 == 0, std::min(n % 3, problem.weight.n_panels()));
      }
    }
  }
}

TEST_P(LinearKernels, GiveARowTheSameBitsAloneAndInABatch) {
  const BlockFormat& format = *GetParam();
  Random random(4);
  const size_t rows = 85, n_out = 71;  // enough for the kernels of many rows
  const Problem batch(format, rows, widths_of(format).back(), n_out, random);
  for (const Kernel* kernel : kernels_of(format)) {
    SCOPED_TRACE(kernels::isa_name(kernel->isa));
    const auto together = run(*kernel, batch, false, 1);
    for (size_t t = 0; t < rows; ++t) {
      AlignedBytes quantised(kernels::quantised_bytes(1, batch.k));
      const float* x = batch.x.data() + t * batch.ld_x;
      if (!format.float_input) {
        kernels::KernelSet(Isa::kScalar)
            .quantise({x, batch.ld_x, 1, batch.k, 0, 1, quantised.data});
      }
      std::vector<float> alone(n_out);
      linear(kernels::KernelSet(kernel->isa), batch.weight,
             {.x = format.float_input ? static_cast<const void*>(x) : quantised.data,
              .ld_x = batch.ld_x,
              .n_rows = 1,
              .panel_begin = 0,
              .panel_end = batch.weight.n_panels(),
              .out = alone.data(),
              .ld_out = n_out});
      for (size_t i = 0; i < n_out; ++i) ASSERT_EQ(alone[i], together[t * (n_out + 3) + i]);
    }
  }
}

// A call takes tiles or not by its number of tokens alone.
TEST_P(LinearKernels, GiveTheSameBitsWithAmxTilesAsWithAvx512) {
  const BlockFormat& format = *GetParam();
  std::vector<const Kernel*> amx;
  const Kernel* avx512 = nullptr;
  for (const Kernel* kernel : kernels_of(format)) {
    if (kernel->isa == Isa::kAmx) amx.push_back(kernel);
    if (kernel->isa == Isa::kAvx512) avx512 = kernel;
  }
  const bool expected = kernels::is_supported(Isa::kAvx512) && !format.float_input;
  ASSERT_EQ(amx.empty(), !expected);
  Random random(5);
  for (size_t rows : {15, 16, 17, 18, 47, 48, 49, 54, 101}) {
    const Problem problem(format, rows, widths_of(format).back(), rows % 2 == 0 ? 80 : 99, random);
    for (const Kernel* kernel : amx) {
      for (bool accumulate : {false, true}) {
        const auto want = run(*avx512, problem, accumulate, 2);
        const auto got = run(*kernel, problem, accumulate, 2);
        for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], want[i]) << rows << " at " << i;
      }
    }
  }
}

TEST_P(LinearKernels, HaveAScalarReference) {
  const auto found = kernels_of(*GetParam());
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                          [](const Kernel* kernel) { return kernel->isa == Isa::kScalar; }));
}

INSTANTIATE_TEST_SUITE_P(AllFormats, LinearKernels,
                         testing::ValuesIn(all_formats().begin(), all_formats().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace maru::tensor
