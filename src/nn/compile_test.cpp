#include "nn/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tensor/format.h"

namespace maru::nn {
namespace {

using ::testing::ElementsAre;

constexpr size_t kDim = 64, kFfn = 96, kVocab = 128;
constexpr AttendSpec kAttend{.n_heads = 4, .n_kv_heads = 2, .head_dim = 16};

Linear shape_of(size_t n_out, size_t k) {
  return {.weight = tensor::PackedWeight::without_data(*tensor::find_format("q8_0"), n_out, k),
          .bias = {}};
}

class CompileTest : public ::testing::Test {
 protected:
  Linear table = shape_of(kVocab, kDim), q = shape_of(64, kDim), kv = shape_of(32, kDim),
         o = shape_of(kDim, 64), up = shape_of(kFfn, kDim), down = shape_of(kDim, kFfn);
  std::vector<float> norm = std::vector<float>(kDim, 1.0f), head = std::vector<float>(16, 1.0f);
  Graph g{{plain_rope(10000.0, 16, false)}};

  Value attend(Value x) {
    const Value n = g.rms_norm(x, norm, 1e-5f);
    const Value a = g.linear(n, q), b = g.linear(n, kv), c = g.linear(n, kv);
    return g.linear(g.attend(g.rope(a, 0, 4), g.rope(b, 0, 2), c, kAttend), o);
  }
  Value feed_forward(Value x) {
    const Value a = g.linear(x, up), b = g.linear(x, up);
    return g.linear(g.gate(a, b, kernels::Gate::kSilu), down);
  }
  Value llama_block(Value x) {
    x = g.add(x, attend(x));
    return g.add(x, feed_forward(g.rms_norm(x, norm, 1e-5f)));
  }
  Value finish(Value x) { return g.linear(g.rms_norm(g.pick(x), norm, 1e-5f), table); }

  static std::vector<std::string> lines(const Program& program) {
    std::vector<std::string> text;
    for (const Stage& stage : program.stages) text.push_back(describe(stage));
    return text;
  }
};

TEST_F(CompileTest, FusesALlamaBlockIntoFiveStages) {
  const Value logits = finish(llama_block(g.embed(table, 1.0f)));
  EXPECT_THAT(lines(compile(g, logits, true)),
              ElementsAre("rows[embed rms_norm] product[3]", "rows[rope rope] attend",
                          "rows[pick pick] product[1] residual picked",
                          "rows[rms_norm] gated_product picked",
                          "rows[] product[1] residual picked", "rows[rms_norm] product[1] picked"));
}

TEST_F(CompileTest, AllRowsGoThroughEveryLayerButTheLast) {
  const Value logits = finish(llama_block(llama_block(g.embed(table, 1.0f))));
  const auto text = lines(compile(g, logits, true));
  ASSERT_EQ(text.size(), 11u);
  EXPECT_EQ(text[2], "rows[] product[1] residual");
  EXPECT_EQ(text[3], "rows[rms_norm] gated_product");
  EXPECT_EQ(text[4], "rows[] product[1] residual");
  EXPECT_EQ(text[5], "rows[rms_norm] product[3]");
  EXPECT_EQ(text[6], "rows[rope rope] attend");
  EXPECT_EQ(text[7], "rows[pick pick] product[1] residual picked");
}

TEST_F(CompileTest, UnfusedEveryNodeIsAStageWithABufferOfItsOwn) {
  const Value logits = finish(llama_block(g.embed(table, 1.0f)));
  const Program program = compile(g, logits, false);
  EXPECT_EQ(program.stages.size(), g.nodes().size());
  EXPECT_EQ(program.buffers.size(), g.nodes().size() - 1);  // the logits are the caller's
}

TEST_F(CompileTest, LayersShareTheirBuffers) {
  Value x = g.embed(table, 1.0f);
  for (int layer = 0; layer < 12; ++layer) x = llama_block(x);
  const Program program = compile(g, finish(x), true);
  EXPECT_LE(program.buffers.size(), 7u);
}

TEST_F(CompileTest, NormOfAProductKeepsTheResidualOutOfIt) {
  Value x = g.embed(table, 1.0f);
  x = g.add(x, g.rms_norm(attend(x), norm, 1e-5f));
  EXPECT_THAT(lines(compile(g, finish(llama_block(x)), true)),
              ElementsAre("rows[embed rms_norm] product[3]", "rows[rope rope] attend",
                          "rows[] product[1]", "rows[rms_norm add rms_norm] product[3]",
                          "rows[rope rope] attend", "rows[pick pick] product[1] residual picked",
                          "rows[rms_norm] gated_product picked",
                          "rows[] product[1] residual picked", "rows[rms_norm] product[1] picked"));
}

TEST_F(CompileTest, AResidualThatIsReadLaterIsNotWrittenOver) {
  const Value x = g.embed(table, 1.0f);
  const Value y = g.add(x, attend(x));
  const Program program = compile(g, finish(g.add(y, x)), true);
  for (const Stage& stage : program.stages)
    for (const Step& step : stage.products) EXPECT_FALSE(step.accumulate);
}

TEST_F(CompileTest, AGateWhoseProductsAreReadLaterIsNotFolded) {
  const Value x = g.embed(table, 1.0f);
  const Value a = g.linear(x, up), b = g.linear(x, up);
  const Value gated = g.gate(a, b, kernels::Gate::kSilu);
  const Program program = compile(g, finish(g.linear(g.add(gated, a), down)), true);
  for (const Stage& stage : program.stages) EXPECT_NE(stage.body, StageBody::kGatedProduct);
}

TEST_F(CompileTest, HeadNormAndSoftcapWorkInPlace) {
  const Value x = g.embed(table, 1.0f);
  const Value n = g.head_norm(g.linear(x, q), head, 1e-5f);
  const Program program = compile(g, g.softcap(finish(g.linear(n, o)), 30.0f), true);
  EXPECT_THAT(
      lines(program),
      ElementsAre("rows[embed]", "rows[pick] product[1] picked", "rows[rms_norm] product[1] picked",
                  "rows[rms_norm] product[1] picked", "rows[softcap] picked"));
  const Step& norm_step = program.stages[2].rows[0];
  EXPECT_EQ(norm_step.node.n_heads, 4u);
  EXPECT_EQ(norm_step.in[0], norm_step.out);
  EXPECT_EQ(program.stages.back().rows[0].out, kLogitsBuffer);
  EXPECT_EQ(program.stages.back().rows[0].in[0], kLogitsBuffer);
}

}  // namespace
}  // namespace maru::nn
