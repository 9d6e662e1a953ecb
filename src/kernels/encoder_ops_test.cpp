// The kernels of encoders on every ISA of the table that this CPU can run: bit for bit against the
// scalar reference, and that against double arithmetic.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/half.h"
#include "kernels/test_support.h"

namespace maru::kernels {
namespace {

size_t padded(size_t k) { return (k + kBlock16 - 1) / kBlock16 * kBlock16; }

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// One large value between small ones, and rows of nothing.
std::vector<float> spiky(size_t n_rows, size_t k) {
  auto x = random_floats(n_rows * k, 3);
  for (size_t row = 0; row < n_rows; ++row) x[row * k + row % k] *= 100.0f;
  if (n_rows > 2) std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(k), k, 0.0f);
  return x;
}

TEST(Quantise16, GivesTheSameIntegersOnEveryIsaAndKeepsTheNorm) {
  for (const size_t k : {1u, 31u, 48u, 384u, 1000u}) {
    const size_t n_rows = 5, ld = padded(k);
    const auto x = spiky(n_rows, k);
    std::vector<int16_t> want(n_rows * ld, 7);
    std::vector<float> want_steps(n_rows);
    KernelSet(Isa::kScalar)
        .quantise16({x.data(), k, k, 0, n_rows, want.data(), ld, want_steps.data()});
    for (size_t row = 0; row < n_rows; ++row) {
      double square = 0, error = 0;
      for (size_t i = 0; i < ld; ++i) {
        const double whole = want[row * ld + i];
        square += whole * whole;
        const double wanted = i < k ? static_cast<double>(x[row * k + i]) : 0.0;
        error = std::max(error, std::abs(whole * static_cast<double>(want_steps[row]) - wanted));
      }
      // What keeps every sum of products within 32 bits.
      EXPECT_LT(std::sqrt(square), 32768.0);
      EXPECT_LE(error, 0.51 * static_cast<double>(want_steps[row]));
    }
    for (const Kernel* kernel : kernels_of(Op::kQuantise16)) {
      SCOPED_TRACE(isa_name(kernel->isa));
      std::vector<int16_t> got(n_rows * ld, 9);
      std::vector<float> steps(n_rows);
      kernel->fn.quantise16({x.data(), k, k, 0, 2, got.data(), ld, steps.data()});
      kernel->fn.quantise16({x.data(), k, k, 2, n_rows, got.data(), ld, steps.data()});
      EXPECT_EQ(got, want);
      EXPECT_TRUE(same_bits(steps, want_steps));
    }
  }
}

TEST(Quantise16, AValueThatIsNoNumberMakesTheStepNone) {
  for (const Kernel* kernel : kernels_of(Op::kQuantise16)) {
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 3e38f}) {
      std::vector<float> x(40, 1.0f);
      x[33] = bad;
      std::vector<int16_t> out(64);
      float step = 0;
      kernel->fn.quantise16({x.data(), 40, 40, 0, 1, out.data(), 64, &step});
      EXPECT_FALSE(std::isfinite(step));
    }
  }
}

TEST(Linear16, EqualsTheScalarKernelHoweverSplit) {
  std::mt19937 random(1);
  for (const size_t n_panels : {1u, 2u, 5u}) {
    for (const size_t n_rows : {1u, 2u, 3u, 7u, 12u, 13u, 25u}) {
      const size_t ld = 96, n_out = n_panels * kPanelRows;
      AlignedBuffer weight(n_out * ld * sizeof(int16_t));
      auto* w = reinterpret_cast<int16_t*>(weight.data);
      for (size_t i = 0; i < n_out * ld; ++i) w[i] = static_cast<int16_t>(random() % 6001 - 3000);
      std::vector<int16_t> x(n_rows * ld);
      for (int16_t& v : x) v = static_cast<int16_t>(random() % 6001 - 3000);
      const auto w_steps = random_floats(n_out, 2), x_steps = random_floats(n_rows, 3),
                 bias = random_floats(n_out, 4);
      for (const float* b : {bias.data(), static_cast<const float*>(nullptr)}) {
        const auto run = [&](Linear16Fn linear, size_t row_split, size_t panel_split) {
          std::vector<float> out(n_rows * (n_out + 3), kUntouched);
          for (const auto& [r0, r1] : {std::pair{size_t{0}, row_split}, {row_split, n_rows}}) {
            for (const auto& [p0, p1] :
                 {std::pair{size_t{0}, panel_split}, {panel_split, n_panels}}) {
              linear({w, w_steps.data(), b, x.data(), x_steps.data(), ld, r0, r1, p0, p1,
                      out.data(), n_out + 3});
            }
          }
          return out;
        };
        const auto want = run(KernelSet(Isa::kScalar).linear16, n_rows, n_panels);
        EXPECT_EQ(want[n_out], kUntouched);
        int64_t sum = 0;
        for (size_t i = 0; i < ld; ++i) {
          sum += int64_t{x[i]} * w[i / 2 * 2 * kPanelRows + i % 2];
        }
        const float y = static_cast<float>(sum) * (x_steps[0] * w_steps[0]);
        EXPECT_EQ(want[0], b == nullptr ? y : y + bias[0]);
        for (const Kernel* kernel : kernels_of(Op::kLinear16)) {
          SCOPED_TRACE(isa_name(kernel->isa));
          EXPECT_TRUE(same_bits(run(kernel->fn.linear16, n_rows, n_panels), want));
          EXPECT_TRUE(same_bits(run(kernel->fn.linear16, n_rows / 2, n_panels / 2), want));
        }
      }
    }
  }
}

TEST(LayerNorm, EqualsDoubleArithmeticAndTheScalarBits) {
  for (const size_t n : {16u, 48u, 100u, 384u}) {
    const size_t n_rows = 3;
    const auto x = random_floats(n_rows * n, 5, 3.0f), residual = random_floats(n_rows * n, 6);
    const auto weight = random_floats(n, 7), bias = random_floats(n, 8);
    for (const float* r : {residual.data(), static_cast<const float*>(nullptr)}) {
      const auto run = [&](LayerNormFn norm) {
        std::vector<float> out = x;  // in place
        norm({out.data(), r, n, weight.data(), bias.data(), 1e-6f, n, 0, n_rows, out.data()});
        return out;
      };
      const auto want = run(KernelSet(Isa::kScalar).layer_norm);
      for (size_t row = 0; row < n_rows; ++row) {
        std::vector<double> y(n);
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; ++i) {
          y[i] = static_cast<double>(x[row * n + i]) +
                 (r == nullptr ? 0.0 : static_cast<double>(r[row * n + i]));
          mean += y[i] / static_cast<double>(n);
        }
        for (const double v : y) variance += (v - mean) * (v - mean) / static_cast<double>(n);
        for (size_t i = 0; i < n; ++i) {
          const double exact =
              (y[i] - mean) / std::sqrt(variance + 1e-6) * static_cast<double>(weight[i]) +
              static_cast<double>(bias[i]);
          EXPECT_NEAR(static_cast<double>(want[row * n + i]), exact, 2e-5);
        }
      }
      for (const Kernel* kernel : kernels_of(Op::kLayerNorm)) {
        EXPECT_TRUE(same_bits(run(kernel->fn.layer_norm), want)) << isa_name(kernel->isa);
      }
    }
  }
}

TEST(Gelu, EqualsDoubleArithmeticAndTheScalarBits) {
  auto x = random_floats(1003, 9, 3.0f);
  x[0] = 0;
  x[1] = 50;
  x[2] = -50;
  auto want = x;
  KernelSet(Isa::kScalar).gelu({want.data(), want.size()});
  for (size_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x[i]);
    EXPECT_NEAR(static_cast<double>(want[i]), 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))),
                1e-6 * (1 + std::abs(v)));
  }
  for (const Kernel* kernel : kernels_of(Op::kGelu)) {
    auto got = x;
    kernel->fn.gelu({got.data(), got.size()});
    EXPECT_TRUE(same_bits(got, want)) << isa_name(kernel->isa);
  }
}

// Every token sees all keys: against plain softmax in double arithmetic.
TEST(AttentionOfAllKeys, EqualsDoubleArithmeticHoweverSplit) {
  constexpr size_t kHeads = 2, kDim = 32, kWidth = kHeads * kDim;
  for (const size_t n : {1u, 5u, 64u, 130u, 600u}) {
    const auto q = random_floats(n * kWidth, 1), k = random_floats(n * kWidth, 2),
               v = random_floats(n * kWidth, 3);
    const size_t half = kHeads * kv_row_bytes(KvType::kF16, kDim) * kKeyTile;
    AlignedBuffer memory((n + kKeyTile) / kKeyTile * 2 * half + 64);
    std::vector<uint8_t*> pages;
    for (size_t i = 0; i * kKeyTile < n; ++i) pages.push_back(memory.data + i * 2 * half);
    const KvView view{pages.data(), 0, half, kKeyTile, kHeads, kDim, KvType::kF16};
    KernelSet(Isa::kScalar).store_kv({view, k.data(), v.data(), kWidth, 0, 0, n});
    std::vector<double> exact(n * kWidth);
    for (size_t row = 0; row < n * kHeads; ++row) {
      const float* query = q.data() + row * kDim;
      std::vector<double> weights(n);
      double total = 0;
      for (size_t key = 0; key < n; ++key) {
        double dot = 0;
        for (size_t i = 0; i < kDim; ++i) {
          dot += static_cast<double>(query[i]) *
                 static_cast<double>(k[key * kWidth + row % kHeads * kDim + i]);
        }
        total += weights[key] = std::exp(dot * 0.2);
      }
      for (size_t key = 0; key < n; ++key) {
        for (size_t i = 0; i < kDim; ++i) {
          exact[row * kDim + i] +=
              weights[key] / total * static_cast<double>(v[key * kWidth + row % kHeads * kDim + i]);
        }
      }
    }
    for (const Kernel* kernel : kernels_of(Op::kAttention)) {
      SCOPED_TRACE(isa_name(kernel->isa));
      AlignedBuffer scratch(attention_scratch_floats(kDim) * sizeof(float));
      std::vector<float> out(n * kWidth);
      const auto run = [&](size_t begin, size_t end, float* to) {
        AttentionArgs a{};
        a.kv = view;
        a.q = q.data() + begin * kWidth;
        a.ld_q = a.ld_out = kWidth;
        a.n_heads = a.kv_head_end = kHeads;
        a.scale = 0.2f;
        a.token_end = end - begin;
        a.n_keys = n;
        a.out = to;
        a.scratch = reinterpret_cast<float*>(scratch.data);
        kernel->fn.attention(a);
      };
      run(0, n, out.data());
      double worst = 0;
      for (size_t i = 0; i < out.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(out[i]) - exact[i]));
      }
      EXPECT_LE(worst, 4e-3) << n;
      std::vector<float> last(kWidth);
      run(n - 1, n, last.data());
      EXPECT_EQ(std::memcmp(last.data(), out.data() + (n - 1) * kWidth, kWidth * sizeof(float)), 0);
    }
  }
}

}  // namespace
}  // namespace maru::kernels
