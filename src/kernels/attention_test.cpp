// Attention and its pages, every ISA of the table that this CPU can run, against double arithmetic
// on the numbers that the pages hold.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/half.h"
#include "kernels/kv_page.h"
#include "kernels/test_support.h"

namespace maru::kernels {
namespace {

// KV pages of one sequence: two layers, of which the second is used, so that offsets count.
struct Cache {
  Cache(KvType type, size_t kv_heads, size_t head_dim, size_t n_positions, size_t page_tokens) {
    const size_t half = kv_heads * page_tokens * kv_row_bytes(type, head_dim);
    for (size_t i = 0; i * page_tokens < n_positions; ++i) {
      // All ones is a NaN in every type: what was never written must never count.
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
            .scratch = scratch,
            .partial = nullptr,
            .part_begin = 0,
            .part_end = 0};
  }

  double stored(const uint8_t* p, const uint8_t* scale_at) const {
    if (c.type == KvType::kF16) return load_f16(p);
    float x;
    if (c.type == KvType::kF32) {
      std::memcpy(&x, p, sizeof x);
      return x;
    }
    std::memcpy(&x, scale_at, sizeof x);
    return static_cast<double>(static_cast<int8_t>(*p)) * static_cast<double>(x);
  }
  double stored_k(size_t position, size_t head, size_t i) const {
    const size_t size = kv_element_bytes(c.type);
    const size_t at = (i * kKvGroup + position % kKvGroup) * size;
    return stored(k_group(cache.view, head, position) + at,
                  kv_scale(cache.view, cache.view.k_offset, head, position));
  }
  double stored_v(size_t position, size_t head, size_t i) const {
    return stored(v_row(cache.view, head, position) + i * kv_element_bytes(c.type),
                  kv_scale(cache.view, cache.view.v_offset, head, position));
  }

  std::vector<double> exact(size_t token, size_t head) const {
    const size_t last = c.first_position + token, kv_head = head / (c.n_heads / c.n_kv_heads);
    const size_t begin = c.window > 0 && last + 1 > c.window ? last + 1 - c.window : 0;
    std::vector<double> weights(last + 1), result(c.head_dim);
    double total = c.sinks ? std::exp(static_cast<double>(sinks[head])) : 0;
    for (size_t p = begin; p <= last; ++p) {
      double dot = 0;
      for (size_t i = 0; i < c.head_dim; ++i) {
        dot += q[token * ld_q + head * c.head_dim + i] * stored_k(p, kv_head, i);
      }
      dot *= 0.125;
      if (c.softcap > 0) dot = c.softcap * std::tanh(dot / c.softcap);
      weights[p] = std::exp(dot);
      total += weights[p];
    }
    for (size_t p = begin; p <= last; ++p) {
      for (size_t i = 0; i < c.head_dim; ++i) {
        result[i] += weights[p] / total * stored_v(p, kv_head, i);
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
    {.first_position = 1500, .n_tokens = 50},
    {.type = KvType::kF32, .first_position = 1000, .n_tokens = 40, .window = 300, .sinks = true},
    {.first_position = 1100, .n_tokens = 5, .window = 700, .softcap = 5.0f},
    {.type = KvType::kQ8},
    {.type = KvType::kQ8, .n_heads = 9, .n_kv_heads = 3, .first_position = 700, .n_tokens = 70},
    {.type = KvType::kQ8, .n_heads = 4, .n_kv_heads = 1, .head_dim = 256, .n_tokens = 9},
    {.type = KvType::kQ8,
     .n_heads = 4,
     .n_kv_heads = 2,
     .head_dim = 24,
     .first_position = 90,
     .n_tokens = 21,
     .window = 50,
     .sinks = true},
    {.type = KvType::kQ8, .first_position = 600, .n_tokens = 2, .softcap = 2.0f},
};

// Fixed-point arithmetic rounds values to 1 / 4095 of their row's largest, here about 3, scores to
// some 1e-4 and weights to 1 / 8192 of the largest near them.
bool is_fixed_point(const Kernel& kernel, KvType type) {
  return kernel.isa >= Isa::kAvx512 && type != KvType::kF32;
}

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
      double square = 0, n = 0;
      for (size_t token = 0; token < c.n_tokens; ++token) {
        for (size_t head = 0; head < c.n_heads; ++head) {
          const auto want = problem.exact(token, head);
          for (size_t i = 0; i < c.head_dim; ++i) {
            const double got = out[token * problem.ld_q + head * c.head_dim + i];
            // Values are near 1; rounding of a score moves a weight by its relative size.
            ASSERT_NEAR(got, want[i], is_fixed_point(*kernel, c.type) ? 1e-3 : 1e-5)
                << token << " " << head << " " << i;
            square += (got - want[i]) * (got - want[i]);
            ++n;
          }
        }
        for (size_t i = c.n_heads * c.head_dim; i < problem.ld_q; ++i) {
          ASSERT_EQ(out[token * problem.ld_q + i], kUntouched);
        }
      }
      EXPECT_LT(std::sqrt(square / n), is_fixed_point(*kernel, c.type) ? 2.5e-4 : 2e-6);
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

// One row's calls for single parts, then what joins them, against one call for everything.
TEST(Attention, JoinsPartsToTheSameBits) {
  for (const AttentionCase& c : kAttentionCases) {
    AttentionProblem problem(c);
    problem.store(*kernels_of(Op::kStoreKv)[0]);
    AlignedBuffer scratch(attention_scratch_floats(c.head_dim) * 4);
    const size_t n_parts = problem.n_positions / kAttentionPart + 1;
    const size_t part_floats = c.n_tokens * c.n_heads * attention_partial_floats(c.head_dim);
    AlignedBuffer partial(n_parts * part_floats * 4);
    for (const Kernel* kernel : kernels_of(Op::kAttention)) {
      std::vector<float> whole(c.n_tokens * problem.ld_q), joined = whole;
      kernel->fn.attention(problem.args(whole, reinterpret_cast<float*>(scratch.data)));
      auto args = problem.args(joined, reinterpret_cast<float*>(scratch.data));
      for (args.part_begin = 0; args.part_begin < n_parts; ++args.part_begin) {
        args.part_end = args.part_begin + 1;
        args.partial = reinterpret_cast<float*>(partial.data) + args.part_begin * part_floats;
        kernel->fn.attention(args);
      }
      args.part_begin = 0;
      args.partial = reinterpret_cast<float*>(partial.data);
      KernelSet(kernel->isa).join_attention(args);
      ASSERT_EQ(whole, joined) << isa_name(kernel->isa) << " " << &c - kAttentionCases;
    }
  }
}

// The largest sums that there are: equal vectors, whose scores are the product of their norms, and
// values at their peak.
TEST(Attention, BearsTheLargestSums) {
  for (KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    for (size_t head_dim : {64u, 256u}) {
      AttentionProblem problem({.type = type,
                                .n_heads = 1,
                                .n_kv_heads = 1,
                                .head_dim = head_dim,
                                .first_position = 600,
                                .n_tokens = 7});
      for (auto* x : {&problem.q, &problem.k}) x->assign(x->size(), 3.0f);
      problem.v.assign(problem.v.size(), -500.0f);
      problem.store(*kernels_of(Op::kStoreKv)[0]);
      AlignedBuffer scratch(attention_scratch_floats(head_dim) * 4);
      for (const Kernel* kernel : kernels_of(Op::kAttention)) {
        std::vector<float> out(problem.c.n_tokens * problem.ld_q);
        kernel->fn.attention(problem.args(out, reinterpret_cast<float*>(scratch.data)));
        for (size_t i = 0; i < head_dim; ++i) {
          ASSERT_NEAR(out[i], -500.0f, 0.07f) << isa_name(kernel->isa);
        }
      }
    }
  }
}

// A number that is not finite reaches every row that sees it, and no other head.
TEST(Attention, HidesNothingThatIsNotFinite) {
  for (KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    for (bool in_keys : {true, false}) {
      AttentionProblem problem({.type = type, .first_position = 60, .n_tokens = 30, .window = 20});
      const size_t bad = 70;
      (in_keys ? problem.k : problem.v)[bad * problem.ld_kv + 5] = NAN;
      problem.store(*kernels_of(Op::kStoreKv)[0]);
      AlignedBuffer scratch(attention_scratch_floats(64) * 4);
      for (const Kernel* kernel : kernels_of(Op::kAttention)) {
        SCOPED_TRACE(std::string(isa_name(kernel->isa)) + (in_keys ? " k " : " v ") +
                     std::to_string(static_cast<int>(type)));
        std::vector<float> out(problem.c.n_tokens * problem.ld_q);
        kernel->fn.attention(problem.args(out, reinterpret_cast<float*>(scratch.data)));
        for (size_t token = 0; token < problem.c.n_tokens; ++token) {
          const size_t position = 60 + token;
          const bool sees = position >= bad && position < bad + 20;
          // Kv head 0 has the first three query heads.
          if (sees) {
            EXPECT_FALSE(std::isfinite(out[token * problem.ld_q + 5])) << token;
          }
          EXPECT_TRUE(std::isfinite(out[token * problem.ld_q + 3 * 64 + 5])) << token;
        }
      }
    }
  }
}

TEST(StoreKv, KeepsEachQ8ValueWithinHalfAStep) {
  AttentionProblem problem({.type = KvType::kQ8, .n_tokens = 40});
  std::fill_n(problem.k.begin(), 64, 0.0f);
  problem.store(*kernels_of(Op::kStoreKv)[0]);
  for (size_t position = 0; position < 40; ++position) {
    for (size_t head = 0; head < 2; ++head) {
      const float* k = problem.k.data() + position * problem.ld_kv + head * 64;
      const float* v = problem.v.data() + position * problem.ld_kv + head * 64;
      float peak_k = 0, peak_v = 0;
      for (size_t i = 0; i < 64; ++i) {
        peak_k = std::max(peak_k, std::fabs(k[i]));
        peak_v = std::max(peak_v, std::fabs(v[i]));
      }
      for (size_t i = 0; i < 64; ++i) {
        EXPECT_NEAR(problem.stored_k(position, head, i), k[i], peak_k * 0.501 / 127);
        EXPECT_NEAR(problem.stored_v(position, head, i), v[i], peak_v * 0.501 / 127);
      }
    }
  }
}

}  // namespace
}  // namespace maru::kernels
