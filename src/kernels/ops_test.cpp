// All kernels except attention (attention_test.cpp) and the products (src/tensor/linear_test.cpp),
// every ISA of the table that this
// CPU can run, against double arithmetic and against the scalar reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/activations.h"
#include "kernels/dispatch.h"
#include "kernels/half.h"
#include "kernels/math.h"
#include "kernels/test_support.h"

namespace maru::kernels {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();

TEST(Dispatch, HasAScalarKernelForEveryOp) {
  for (Op op : {Op::kLinear, Op::kQuantise, Op::kRmsNorm, Op::kRope, Op::kGate, Op::kAdd,
                Op::kStoreKv, Op::kAttention, Op::kJoinAttention, Op::kSumLogits, Op::kQuantise16,
                Op::kLinear16, Op::kLayerNorm, Op::kGelu}) {
    bool found = false;
    for (const Kernel* kernel : kernels_of(op)) found = found || kernel->isa == Isa::kScalar;
    EXPECT_TRUE(found) << static_cast<int>(op);
  }
}

TEST(Quantise, GivesTheSameBitsOnEveryIsaHoweverSplit) {
  for (size_t n_rows : {1u, 5u, 6u, 7u, 20u}) {
    for (size_t k : {32u, 96u, 576u}) {
      const size_t ld = k + 3;
      auto x = random_floats(n_rows * ld, 7, 30.0f);
      for (size_t i = 0; i < 32; ++i) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
      if (n_rows > 1) {
        for (size_t i = 0; i < 32; ++i) x[ld + i] = static_cast<float>(i) * 1e-38f;
        x[ld + 40 % k] = 3e38f;
      }
      for (size_t planes : {1u, 2u}) {
        const size_t bytes = quantised_bytes(planes * n_rows, k);
        AlignedBuffer want(bytes);
        KernelSet(Isa::kScalar).quantise({x.data(), ld, n_rows, k, 0, n_rows, want.data, planes});
        for (const Kernel* kernel : kernels_of(Op::kQuantise)) {
          SCOPED_TRACE(isa_name(kernel->isa));
          AlignedBuffer got(bytes);
          const size_t split = std::min(n_rows, kActRowGroup);
          kernel->fn.quantise({x.data(), ld, n_rows, k, 0, split, got.data, planes});
          if (split < n_rows) {
            kernel->fn.quantise({x.data(), ld, n_rows, k, split, n_rows, got.data, planes});
          }
          ASSERT_EQ(std::memcmp(got.data, want.data, bytes), 0)
              << n_rows << " x " << k << ", planes " << planes;
        }
      }
    }
  }
}

struct QuantisedRow {
  std::vector<float> values, scales;  // [k], [k / 32]
};

// Row `row` of a buffer of `n_rows` quantised rows.
QuantisedRow read_quantised(uint8_t* buffer, size_t n_rows, size_t k, size_t row) {
  QuantisedRow out;
  const size_t first = row / kActRowGroup * kActRowGroup, t = row - first;
  const auto group = activation_group(buffer, n_rows, k, first);
  for (size_t b = 0; b < k / kActBlock; ++b) {
    float scale;
    std::memcpy(&scale, group.scales + (b * group.width + t) * 4, 4);
    out.scales.push_back(scale);
    for (size_t i = 0; i < kActBlock; ++i) {
      const uint8_t byte = group.quants[((b * 8 + i / 4) * group.width + t) * 4 + i % 4];
      out.values.push_back(scale * static_cast<float>(static_cast<int8_t>(byte)));
    }
  }
  return out;
}

TEST(Quantise, TheSecondPlaneHoldsWhatTheFirstLeftOver) {
  for (const Kernel* kernel : kernels_of(Op::kQuantise)) {
    SCOPED_TRACE(isa_name(kernel->isa));
    for (size_t n_rows : {1u, 2u, 3u, 4u, 10u}) {
      const size_t k = 96;
      const auto x = random_floats(n_rows * k, 9, 5.0f);
      AlignedBuffer one(quantised_bytes(n_rows, k)), two(quantised_bytes(2 * n_rows, k));
      kernel->fn.quantise({x.data(), k, n_rows, k, 0, n_rows, one.data});
      kernel->fn.quantise({x.data(), k, n_rows, k, 0, n_rows, two.data, 2});
      for (size_t row = 0; row < n_rows; ++row) {
        const QuantisedRow plain = read_quantised(one.data, n_rows, k, row);
        const QuantisedRow value = read_quantised(two.data, 2 * n_rows, k, 2 * row);
        const QuantisedRow rest = read_quantised(two.data, 2 * n_rows, k, 2 * row + 1);
        EXPECT_EQ(value.values, plain.values);
        for (size_t i = 0; i < k; ++i) {
          const float peak = 127.0f * value.scales[i / kActBlock];
          // The rest is at most half a step of 1/127 of the peak, its own rounding half a step of
          // 1/127 of that.
          EXPECT_NEAR(value.values[i] + rest.values[i], x[row * k + i], peak / 64000) << row;
        }
      }
    }
  }
}

TEST(Quantise, KeepsEachValueWithinHalfAStep) {
  const size_t n_rows = 8, k = 64;
  const auto x = random_floats(n_rows * k, 8);
  AlignedBuffer out(quantised_bytes(n_rows, k));
  KernelSet(detect_isa()).quantise({x.data(), k, n_rows, k, 0, n_rows, out.data});
  for (size_t row = 0; row < n_rows; ++row) {
    const size_t first = row / kActRowGroup * kActRowGroup, t = row - first;
    const auto group = activation_group(out.data, n_rows, k, first);
    for (size_t b = 0; b < k / 32; ++b) {
      const size_t at = (b * group.width + t) * 4;
      float scale, sum;
      int16_t halves[2];
      std::memcpy(&scale, group.scales + at, 4);
      std::memcpy(&sum, group.sums + at, 4);
      std::memcpy(halves, group.half_sums + at, 4);
      int total[2] = {};
      for (size_t i = 0; i < 32; ++i) {
        const uint8_t byte = group.quants[((b * 8 + i / 4) * group.width + t) * 4 + i % 4];
        const int q = static_cast<int8_t>(byte);
        total[i / 16] += q;
        EXPECT_NEAR(static_cast<double>(scale) * q, x[row * k + b * 32 + i], 0.501 * scale);
      }
      EXPECT_EQ(halves[0], total[0]);
      EXPECT_EQ(halves[1], total[1]);
      EXPECT_EQ(sum, scale * static_cast<float>(total[0] + total[1]));
    }
  }
}

TEST(RmsNorm, IsWithinTheRoundingBound) {
  for (const Kernel* kernel : kernels_of(Op::kRmsNorm)) {
    SCOPED_TRACE(isa_name(kernel->isa));
    for (size_t n : {1u, 15u, 16u, 33u, 64u, 576u, 640u}) {
      for (bool weighted : {true, false}) {
        const size_t rows = 5, ld = n + 2;
        const auto x = random_floats(rows * ld, 9, 3.0f), weight = random_floats(n, 10);
        std::vector<float> out(rows * ld, kUntouched);
        kernel->fn.rms_norm(
            {x.data(), ld, weighted ? weight.data() : nullptr, 1e-5f, n, 1, rows, out.data(), ld});
        for (size_t row = 0; row < rows; ++row) {
          double sum = 0;
          for (size_t i = 0; i < n; ++i) sum += std::pow(x[row * ld + i], 2.0);
          const double factor = 1 / std::sqrt(sum / static_cast<double>(n) + 1e-5);
          for (size_t i = 0; i < ld; ++i) {
            const float got = out[row * ld + i];
            if (row == 0 || i >= n) {
              ASSERT_EQ(got, kUntouched);
              continue;
            }
            const double want = x[row * ld + i] * factor * (weighted ? weight[i] : 1.0f);
            ASSERT_NEAR(got, want, std::fabs(want) * kEps * (4 + static_cast<double>(n) / 16));
          }
        }
      }
    }
  }
}

TEST(Rope, TurnsPairsByTheirAngles) {
  for (const Kernel* kernel : kernels_of(Op::kRope)) {
    SCOPED_TRACE(isa_name(kernel->isa));
    for (bool interleaved : {false, true}) {
      for (size_t n_rot : {2u, 16u, 34u, 64u}) {
        const size_t tokens = 4, heads = 3, dim = 64, ld = heads * dim + 7;
        const auto x = random_floats(tokens * ld, 11);
        const auto angles = random_floats(tokens * n_rot / 2, 12, 5.0f);
        std::vector<float> table(tokens * n_rot);
        for (size_t t = 0; t < tokens; ++t) {
          for (size_t i = 0; i < n_rot / 2; ++i) {
            table[t * n_rot + i] = std::cos(angles[t * n_rot / 2 + i]);
            table[t * n_rot + n_rot / 2 + i] = std::sin(angles[t * n_rot / 2 + i]);
          }
        }
        auto got = x;
        kernel->fn.rope({got.data(), ld, heads, dim, n_rot, interleaved, table.data(), 1, tokens});
        std::vector<float> want = x;
        for (size_t t = 1; t < tokens; ++t) {
          for (size_t head = 0; head < heads; ++head) {
            for (size_t i = 0; i < n_rot / 2; ++i) {
              const size_t base = t * ld + head * dim;
              const size_t i0 = base + (interleaved ? 2 * i : i);
              const size_t i1 = base + (interleaved ? 2 * i + 1 : i + n_rot / 2);
              const double c = table[t * n_rot + i], s = table[t * n_rot + n_rot / 2 + i];
              want[i0] = static_cast<float>(x[i0] * c - x[i1] * s);
              want[i1] = static_cast<float>(x[i0] * s + x[i1] * c);
            }
          }
        }
        for (size_t i = 0; i < x.size(); ++i) {
          ASSERT_NEAR(got[i], want[i], 8 * kEps * 4) << i;
          if (want[i] == x[i]) {
            ASSERT_EQ(got[i], x[i]);
          }
        }
      }
    }
  }
}

double exact_gate(Gate gate, double x) {
  switch (gate) {
    case Gate::kSilu: return x / (1 + std::exp(-x));
    case Gate::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Gate::kGelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  }
  return NAN;
}

TEST(Gate, FollowsTheActivationFunctions) {
  for (const Kernel* kernel : kernels_of(Op::kGate)) {
    for (Gate gate : {Gate::kSilu, Gate::kGeluTanh, Gate::kGelu}) {
      SCOPED_TRACE(std::string(isa_name(kernel->isa)) + " " +
                   std::to_string(static_cast<int>(gate)));
      const size_t rows = 3, n = 1003, ld = n + 1, ld_out = n + 2;
      auto x = random_floats(rows * ld, 13, 4.0f);
      x[0] = 0;
      x[1] = 1000;
      x[2] = -1000;
      x[3] = -89;
      x[4] = 89;
      const auto up = random_floats(rows * ld, 14);
      std::vector<float> out(rows * ld_out, kUntouched);
      kernel->fn.gate({gate, x.data(), up.data(), ld, n, 0, rows, out.data(), ld_out});
      for (size_t row = 0; row < rows; ++row) {
        for (size_t i = 0; i < n; ++i) {
          const double v = x[row * ld + i], u = up[row * ld + i];
          const double want = exact_gate(gate, v) * u;
          ASSERT_NEAR(out[row * ld_out + i], want,
                      std::fabs(u) * (6e-7 * std::fabs(v) + 2e-7) + 1e-30)
              << v;
        }
        ASSERT_EQ(out[row * ld_out + n], kUntouched);
      }
    }
  }
}

TEST(Add, AddsTheScaledVector) {
  for (const Kernel* kernel : kernels_of(Op::kAdd)) {
    const auto x = random_floats(71, 15), y = random_floats(71, 16);
    auto got = y;
    kernel->fn.add({x.data(), 70, 0.5f, got.data()});
    for (size_t i = 0; i < 70; ++i) EXPECT_EQ(got[i], y[i] + 0.5f * x[i]);
    EXPECT_EQ(got[70], y[70]);
  }
}

TEST(Math, ExpIsAccurateAndExactAtZero) {
  EXPECT_EQ(exp_poly(0.0f), 1.0f);
  EXPECT_EQ(exp_poly(-1000.0f), 0.0f);
  EXPECT_TRUE(std::isfinite(exp_poly(1000.0f)));
  for (float x = -87; x < 88; x += 0.01f) {
    const double want = std::exp(static_cast<double>(x));
    ASSERT_NEAR(exp_poly(x), want, want * 2.5e-7) << x;
  }
}

TEST(SumLogits, GivesTheLargestAndTheSumOfEachBlock) {
  for (const Kernel* kernel : kernels_of(Op::kSumLogits)) {
    for (const size_t n : {size_t{1}, size_t{15}, size_t{255}, 3 * kLogitBlock + 37}) {
      for (const float scale : {0.0f, 1.0f, 2.5f, 1e30f}) {
        SCOPED_TRACE(std::string(isa_name(kernel->isa)) + " " + std::to_string(n));
        const auto x = random_floats(n, 21, 6.0f);
        const size_t n_blocks = (n + kLogitBlock - 1) / kLogitBlock;
        std::vector<LogitBlock> all(n_blocks), one(1);
        kernel->fn.sum_logits({x.data(), n, 0, n_blocks, scale, all.data()});
        for (size_t b = 0; b < n_blocks; ++b) {
          const size_t first = b * kLogitBlock, last = std::min(n, first + kLogitBlock);
          float largest = x[first];
          for (size_t i = first; i < last; ++i) largest = std::max(largest, x[i]);
          double sum = 0.0;
          for (size_t i = first; i < last; ++i) {
            sum += std::exp(static_cast<double>((x[i] - largest) * scale));
          }
          ASSERT_EQ(all[b].largest, largest);
          ASSERT_NEAR(all[b].sum, scale == 0.0f ? 0.0 : sum, 2e-6 * sum);
          kernel->fn.sum_logits({x.data(), n, b, b + 1, scale, one.data()});
          ASSERT_EQ(one[0].largest, all[b].largest);
          ASSERT_EQ(one[0].sum, all[b].sum);
        }
      }
    }
  }
}

TEST(SumLogits, MarksABlockWithAValueThatIsNotFinite) {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (const Kernel* kernel : kernels_of(Op::kSumLogits)) {
    for (const float value : bad) {
      for (const size_t at : {size_t{0}, size_t{17}, kLogitBlock - 1, kLogitBlock + 2}) {
        auto x = random_floats(kLogitBlock + 3, 22);
        x[at] = value;
        LogitBlock blocks[2];
        kernel->fn.sum_logits({x.data(), x.size(), 0, 2, 1.0f, blocks});
        ASSERT_TRUE(std::isnan(blocks[at / kLogitBlock].largest));
        ASSERT_FALSE(std::isnan(blocks[1 - at / kLogitBlock].largest));
      }
    }
  }
}

}  // namespace
}  // namespace maru::kernels
