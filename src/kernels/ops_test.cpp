// All kernels except the products (src/tensor/linear_test.cpp), every ISA of the table that this
// CPU can run, against double arithmetic and against the scalar reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/activations.h"
#include "kernels/dispatch.h"
#include "kernels/half.h"
#include "kernels/math.h"

namespace maru::kernels {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();
constexpr float kUntouched = -12345.5f;

std::vector<float> random_floats(size_t n, uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

std::vector<const Kernel*> kernels_of(Op op) {
  std::vector<const Kernel*> found;
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op == op && is_supported(kernel->isa)) found.push_back(kernel);
  }
  EXPECT_FALSE(found.empty());
  return found;
}

struct AlignedBuffer {
  explicit AlignedBuffer(size_t n_bytes) : storage(n_bytes + 64) {
    data = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
  }
  std::vector<uint8_t> storage;
  uint8_t* data;
};

TEST(Dispatch, HasAScalarKernelForEveryOp) {
  for (Op op : {Op::kLinear, Op::kQuantise, Op::kRmsNorm, Op::kRope, Op::kGate, Op::kAdd,
                Op::kStoreKv, Op::kAttention, Op::kSumLogits}) {
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
      const size_t bytes = quantised_bytes(n_rows, k);
      AlignedBuffer want(bytes);
      KernelSet(Isa::kScalar).quantise({x.data(), ld, n_rows, k, 0, n_rows, want.data});
      for (const Kernel* kernel : kernels_of(Op::kQuantise)) {
        SCOPED_TRACE(isa_name(kernel->isa));
        AlignedBuffer got(bytes);
        const size_t split = std::min(n_rows, kActRowGroup);
        kernel->fn.quantise({x.data(), ld, n_rows, k, 0, split, got.data});
        if (split < n_rows) kernel->fn.quantise({x.data(), ld, n_rows, k, split, n_rows, got.data});
        ASSERT_EQ(std::memcmp(got.data, want.data, bytes), 0) << n_rows << " x " << k;
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

// KV pages of one sequence: two layers, of which the second is used, so that offsets count.
struct Cache {
  Cache(KvType type, size_t kv_heads, size_t head_dim, size_t n_positions, size_t page_tokens) {
    const size_t half = kv_heads * page_tokens * head_dim * (type == KvType::kF16 ? 2 : 4);
    for (size_t i = 0; i * page_tokens < n_positions; ++i) {
      // All ones is a NaN in both types: what was never written must never count.
      pages.emplace_back(4 * half, uint8_t{0xff});
    }
    for (auto& page : pages) pointers.push_back(page.data());
    view = {pointers.data(), 2 * half, 3 * half, page_tokens, kv_heads, head_dim, type};
  }
  std::vector<std::vector<uint8_t>> pages;
  std::vector<uint8_t*> pointers;
  KvView view;
};

struct AttentionCase {
  KvType type = KvType::kF16;
  size_t n_heads = 6, n_kv_heads = 2, head_dim = 64;
  size_t first_position = 0, n_tokens = 1, window = 0;
  float softcap = 0;
  bool sinks = false;
};

struct AttentionProblem {
  explicit AttentionProblem(const AttentionCase& given)
      : c(given),
        n_positions(c.first_position + c.n_tokens),
        cache(c.type, c.n_kv_heads, c.head_dim, n_positions, 64),
        ld_q(c.n_heads * c.head_dim + 5),
        q(random_floats(c.n_tokens * ld_q, 20)),
        ld_kv(c.n_kv_heads * c.head_dim + 3),
        k(random_floats(n_positions * ld_kv, 21)),
        v(random_floats(n_positions * ld_kv, 22)),
        sinks(random_floats(c.n_heads, 23)) {}

  void store(const Kernel& kernel) {
    const size_t half = n_positions / 2;
    kernel.fn.store_kv({cache.view, k.data(), v.data(), ld_kv, 0, 0, half});
    const float* k_rest = k.data() + half * ld_kv;
    const float* v_rest = v.data() + half * ld_kv;
    kernel.fn.store_kv({cache.view, k_rest, v_rest, ld_kv, half, 0, n_positions - half});
    // Pages that no token sees are gone.
    for (size_t i = 0; c.window > 0 && (i + 1) * 64 + c.window <= c.first_position + 1; ++i) {
      cache.pointers[i] = nullptr;
    }
  }

  AttentionArgs args(std::vector<float>& out, float* scratch) const {
    return {.kv = cache.view,
            .q = q.data(),
            .ld_q = ld_q,
            .n_heads = c.n_heads,
            .first_position = c.first_position,
            .window = c.window,
            .scale = 0.125f,
            .softcap = c.softcap,
            .sinks = c.sinks ? sinks.data() : nullptr,
            .token_begin = 0,
            .token_end = c.n_tokens,
            .kv_head_begin = 0,
            .kv_head_end = c.n_kv_heads,
            .out = out.data(),
            .ld_out = ld_q,
            .scratch = scratch};
  }

  double stored(float x) const { return c.type == KvType::kF16 ? f16_to_f32(f32_to_f16(x)) : x; }

  std::vector<double> exact(size_t token, size_t head) const {
    const size_t last = c.first_position + token, kv_head = head / (c.n_heads / c.n_kv_heads);
    const size_t begin = c.window > 0 && last + 1 > c.window ? last + 1 - c.window : 0;
    std::vector<double> weights(last + 1), result(c.head_dim);
    double total = c.sinks ? std::exp(static_cast<double>(sinks[head])) : 0;
    for (size_t p = begin; p <= last; ++p) {
      double dot = 0;
      for (size_t i = 0; i < c.head_dim; ++i) {
        dot += q[token * ld_q + head * c.head_dim + i] *
               stored(k[p * ld_kv + kv_head * c.head_dim + i]);
      }
      dot *= 0.125;
      if (c.softcap > 0) dot = c.softcap * std::tanh(dot / c.softcap);
      weights[p] = std::exp(dot);
      total += weights[p];
    }
    for (size_t p = begin; p <= last; ++p) {
      for (size_t i = 0; i < c.head_dim; ++i) {
        result[i] += weights[p] / total * stored(v[p * ld_kv + kv_head * c.head_dim + i]);
      }
    }
    return result;
  }

  AttentionCase c;
  size_t n_positions;
  Cache cache;
  size_t ld_q;
  std::vector<float> q;
  size_t ld_kv;
  std::vector<float> k, v, sinks;
};

const AttentionCase kAttentionCases[] = {
    {},
    {.first_position = 99},
    {.type = KvType::kF32, .first_position = 64, .n_tokens = 3},
    {.n_tokens = 70},
    {.n_heads = 9, .n_kv_heads = 3, .first_position = 31, .n_tokens = 33},
    {.n_heads = 4,
     .n_kv_heads = 1,
     .head_dim = 256,
     .first_position = 300,
     .n_tokens = 17,
     .window = 100},
    {.type = KvType::kF32,
     .n_heads = 4,
     .n_kv_heads = 4,
     .head_dim = 80,
     .first_position = 40,
     .n_tokens = 40,
     .window = 7},
    {.n_heads = 60, .n_kv_heads = 1, .head_dim = 16, .first_position = 5, .n_tokens = 3},
    {.n_heads = 2, .n_kv_heads = 2, .head_dim = 8, .first_position = 77, .n_tokens = 2},
    {.type = KvType::kF32,
     .n_heads = 2,
     .n_kv_heads = 1,
     .head_dim = 24,
     .first_position = 10,
     .n_tokens = 9},
    {.n_tokens = 40, .softcap = 2.0f},
    {.first_position = 30, .n_tokens = 12, .window = 5, .sinks = true},
    {.first_position = 200, .window = 1},
    {.first_position = 500, .window = 128, .sinks = true},
};

TEST(Attention, IsWithinTheRoundingBound) {
  for (const AttentionCase& c : kAttentionCases) {
    AttentionProblem problem(c);
    problem.store(*kernels_of(Op::kStoreKv)[0]);
    AlignedBuffer scratch(attention_scratch_floats(c.head_dim) * 4);
    for (const Kernel* kernel : kernels_of(Op::kAttention)) {
      SCOPED_TRACE(std::string(isa_name(kernel->isa)) + ", case " +
                   std::to_string(&c - kAttentionCases));
      std::vector<float> out(c.n_tokens * problem.ld_q, kUntouched);
      kernel->fn.attention(problem.args(out, reinterpret_cast<float*>(scratch.data)));
      for (size_t token = 0; token < c.n_tokens; ++token) {
        for (size_t head = 0; head < c.n_heads; ++head) {
          const auto want = problem.exact(token, head);
          for (size_t i = 0; i < c.head_dim; ++i) {
            // Values are near 1; rounding of a score moves a weight by its relative size.
            ASSERT_NEAR(out[token * problem.ld_q + head * c.head_dim + i], want[i], 1e-5)
                << token << " " << head << " " << i;
          }
        }
        for (size_t i = c.n_heads * c.head_dim; i < problem.ld_q; ++i) {
          ASSERT_EQ(out[token * problem.ld_q + i], kUntouched);
        }
      }
    }
  }
}

TEST(Attention, DoesNotDependOnHowACallIsSplit) {
  for (const AttentionCase& c : kAttentionCases) {
    AttentionProblem problem(c);
    problem.store(*kernels_of(Op::kStoreKv)[0]);
    AlignedBuffer scratch(attention_scratch_floats(c.head_dim) * 4);
    for (const Kernel* kernel : kernels_of(Op::kAttention)) {
      std::vector<float> whole(c.n_tokens * problem.ld_q), parts = whole;
      kernel->fn.attention(problem.args(whole, reinterpret_cast<float*>(scratch.data)));
      auto args = problem.args(parts, reinterpret_cast<float*>(scratch.data));
      for (args.kv_head_begin = 0; args.kv_head_begin < c.n_kv_heads; ++args.kv_head_begin) {
        args.kv_head_end = args.kv_head_begin + 1;
        for (args.token_begin = 0; args.token_begin < c.n_tokens;
             args.token_begin = args.token_end) {
          args.token_end = std::min(c.n_tokens, args.token_begin + 1 + args.token_begin % 3);
          kernel->fn.attention(args);
        }
      }
      ASSERT_EQ(whole, parts) << isa_name(kernel->isa) << " " << &c - kAttentionCases;
    }
  }
}

TEST(StoreKv, GivesTheSameBitsOnEveryIsa) {
  for (const AttentionCase& c : kAttentionCases) {
    AttentionProblem want(c);
    want.store(*kernels_of(Op::kStoreKv)[0]);
    for (const Kernel* kernel : kernels_of(Op::kStoreKv)) {
      AttentionProblem got(c);
      got.store(*kernel);
      ASSERT_EQ(got.cache.pages, want.cache.pages) << isa_name(kernel->isa);
    }
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
