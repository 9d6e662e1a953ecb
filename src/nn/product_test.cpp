// Products with quantised weights in one plane and two, against the same weights as floats.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "nn/executor.h"
#include "tensor/format.h"

namespace maru::nn {
namespace {

constexpr size_t kDim = 96, kFfn = 160, kVocab = 200;  // the last panels are not full

std::vector<float> random_floats(size_t n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

// The same values in both forms.
struct TwoForms {
  Linear quantised, floats;

  TwoForms(size_t n_out, size_t k, bool has_bias, std::mt19937& random) {
    const tensor::BlockFormat& q8 = *tensor::find_format("q8_0");
    const tensor::BlockFormat& f32 = *tensor::find_format("f32");
    std::vector<float> values = random_floats(n_out * k, random);
    std::vector<uint8_t> blocks(tensor::format_bytes(q8, values.size()));
    q8.quantise(values.data(), blocks.data(), values.size());
    q8.dequantise(blocks.data(), values.data(), values.size());
    ThreadPool pool(1);
    quantised.weight = tensor::PackedWeight::pack(q8, blocks.data(), n_out, k, pool);
    floats.weight = tensor::PackedWeight::pack(f32, reinterpret_cast<const uint8_t*>(values.data()),
                                               n_out, k, pool);
    if (has_bias) quantised.bias = floats.bias = random_floats(n_out, random);
  }
};

// A block without attention: bias, gate and residual.
class ProductTest : public ::testing::Test {
 protected:
  std::mt19937 random{11};
  TwoForms table{kVocab, kDim, false, random}, in{kDim, kDim, true, random},
      gate{kFfn, kDim, false, random}, up{kFfn, kDim, true, random}, down{kDim, kFfn, true, random};
  std::vector<float> norm = std::vector<float>(kDim, 1.0f);

  Program program(Linear TwoForms::* form, bool fused, size_t planes) const {
    Graph g{{}};
    Value x = g.embed(table.*form, 1.0f);
    x = g.linear(g.rms_norm(x, norm, 1e-5f), in.*form);
    const Value n = g.rms_norm(x, norm, 1e-5f);
    const Value a = g.linear(n, gate.*form), b = g.linear(n, up.*form);
    x = g.add(x, g.linear(g.gate(a, b, kernels::Gate::kSilu), down.*form));
    return compile(g, g.linear(g.rms_norm(g.pick(x), norm, 1e-5f), table.*form), fused, planes);
  }

  // Logits [n, kVocab] of tokens first, first + 1, ...
  static std::vector<float> run(const Program& program, kernels::Isa isa, size_t first, size_t n,
                                size_t n_threads) {
    const Executor executor(program, kernels::KernelSet(isa), {});
    std::vector<int32_t> tokens(n);
    std::vector<uint32_t> positions(n), picked(n);
    for (size_t i = 0; i < n; ++i) {
      tokens[i] = static_cast<int32_t>((first + i) % kVocab);
      positions[i] = picked[i] = static_cast<uint32_t>(i);
    }
    std::vector<float> logits(n * kVocab);
    ThreadPool pool(n_threads);
    const auto workspace = executor.make_workspace(n, n_threads);
    executor.run({.tokens = tokens,
                  .positions = positions,
                  .sequences = {},
                  .picked = picked,
                  .logits = logits.data(),
                  .blocks = nullptr,
                  .sum_scales = {}},
                 pool, *workspace);
    return logits;
  }

  // Root mean square of the difference, relative to that of `b`.
  static double error(const std::vector<float>& a, const std::vector<float>& b) {
    double differences = 0.0, squares = 0.0;
    for (size_t i = 0; i < b.size(); ++i) {
      const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      differences += (x - y) * (x - y);
      squares += y * y;
    }
    return std::sqrt(differences / squares);
  }
};

TEST_F(ProductTest, TwoPlanesComeNearToFloats) {
  constexpr size_t kRows = 40;
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const auto exact = run(program(&TwoForms::floats, true, 1), isa, 0, kRows, 2);
    for (const bool fused : {true, false}) {
      SCOPED_TRACE(std::string(kernels::isa_name(isa)) + (fused ? " fused" : " unfused"));
      const auto one = run(program(&TwoForms::quantised, fused, 1), isa, 0, kRows, 2);
      const auto two = run(program(&TwoForms::quantised, fused, 2), isa, 0, kRows, 2);
      EXPECT_GT(error(one, exact), 3e-3);
      EXPECT_LT(error(two, exact), 5e-5);
    }
  }
}

TEST_F(ProductTest, TwoPlanesOfARowDoNotDependOnRowsAndThreadsBesideIt) {
  constexpr size_t kRows = 1000;  // several tiles
  const kernels::Isa isa = kernels::detect_isa();
  const Program two = program(&TwoForms::quantised, true, 2);
  const auto many = run(two, isa, 0, kRows, 2);
  for (const size_t n : {1u, 2u, 3u, 7u, 40u, 401u}) {
    for (const size_t n_threads : {1u, 3u}) {
      const size_t first = (kRows - n) / 2;
      const auto few = run(two, isa, first, n, n_threads);
      EXPECT_EQ(std::memcmp(few.data(), many.data() + first * kVocab, few.size() * sizeof(float)),
                0)
          << n << " rows, " << n_threads << " threads";
    }
  }
}

TEST_F(ProductTest, FloatWeightsHaveNoPlanesAndNoRoomForThem) {
  const kernels::KernelSet kernels(kernels::Isa::kScalar);
  const Program floats = program(&TwoForms::floats, true, 2);
  for (const Stage& stage : floats.stages) EXPECT_EQ(stage.planes, 0u);
  const auto bytes = [&](const Program& p) {
    return Executor(p, kernels, {}).workspace_bytes(64, 2);
  };
  EXPECT_EQ(bytes(floats), bytes(program(&TwoForms::floats, true, 1)));
  EXPECT_GT(bytes(program(&TwoForms::quantised, true, 2)),
            bytes(program(&TwoForms::quantised, true, 1)));
}

}  // namespace
}  // namespace maru::nn
