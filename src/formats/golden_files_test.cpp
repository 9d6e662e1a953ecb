// The readers on the golden models of tests/oracle, which other programs wrote: transformers the
// safetensors, Python's gguf package the GGUF files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "formats/ggml_types.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace maru::formats {
namespace {

std::string golden(const std::string& name) {
  return std::string(MARU_SOURCE_DIR) + "/tests/oracle/" + name;
}

std::vector<float> floats(const TensorInfo& tensor) {
  std::vector<float> values(tensor.data.size() / sizeof(float));
  std::memcpy(values.data(), tensor.data.data(), values.size() * sizeof(float));
  return values;
}

TEST(GoldenFiles, TwinsHoldTheSameTensors) {
  for (const std::string name : {"llama", "llama-head-dim", "qwen2-untied", "qwen3"}) {
    const Result<SafetensorsSet> set = SafetensorsSet::open_folder(golden(name + "/hf"));
    ASSERT_TRUE(set) << set.error().to_string();
    const Result<GgufFile> gguf = GgufFile::open(golden(name + "/model.gguf"));
    ASSERT_TRUE(gguf) << gguf.error().to_string();
    EXPECT_EQ(set->tensors().size(), gguf->tensors().size());
    EXPECT_TRUE(set->unsupported().empty());
    const std::vector<std::pair<const char*, const char*>> names = {
        {"model.embed_tokens.weight", "token_embd.weight"},
        {"model.norm.weight", "output_norm.weight"},
        {"model.layers.1.self_attn.v_proj.weight", "blk.1.attn_v.weight"},
        {"model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"}};
    for (const auto& [hf_name, gguf_name] : names) {
      const TensorInfo* a = set->find_tensor(hf_name);
      const TensorInfo* b = gguf->find_tensor(gguf_name);
      ASSERT_TRUE(a != nullptr && b != nullptr) << hf_name;
      EXPECT_EQ(a->shape, b->shape) << hf_name;
      EXPECT_EQ(floats(*a), floats(*b)) << hf_name;
    }
  }
}

// llama's GGUF form turns neighbours: row 2i of a head is row i, row 2i + 1 is row i + half.
TEST(GoldenFiles, LlamaTwinPermutesQueries) {
  const Result<SafetensorsSet> set = SafetensorsSet::open_folder(golden("llama/hf"));
  const Result<GgufFile> gguf = GgufFile::open(golden("llama/model.gguf"));
  ASSERT_TRUE(set && gguf);
  const std::vector<float> hf = floats(*set->find_tensor("model.layers.0.self_attn.q_proj.weight"));
  const std::vector<float> twin = floats(*gguf->find_tensor("blk.0.attn_q.weight"));
  const size_t dim = 32;
  const size_t head_dim = 8;
  for (size_t row = 0; row < dim; ++row) {
    const size_t within = row % head_dim;
    const size_t source = row - within + within / 2 + (within % 2) * (head_dim / 2);
    EXPECT_TRUE(std::equal(&twin[row * dim], &twin[row * dim] + dim, &hf[source * dim])) << row;
  }
}

TEST(GoldenFiles, Bf16) {
  const Result<SafetensorsSet> set = SafetensorsSet::open_folder(golden("llama-bf16/hf"));
  const Result<GgufFile> gguf = GgufFile::open(golden("llama-bf16/model.gguf"));
  ASSERT_TRUE(set && gguf);
  const TensorInfo* a = set->find_tensor("lm_head.weight");
  const TensorInfo* b = gguf->find_tensor("output.weight");
  EXPECT_EQ(a->gguf_type, kGgmlBf16);
  EXPECT_EQ(b->gguf_type, kGgmlBf16);
  EXPECT_TRUE(std::equal(a->data.begin(), a->data.end(), b->data.begin(), b->data.end()));
}

TEST(GoldenFiles, FlippedBytesNeverCrash) {
  const Result<SafetensorsSet> set = SafetensorsSet::open_folder(golden("qwen3/hf"));
  ASSERT_TRUE(set);
  const Result<MappedFile> file = MappedFile::open(golden("qwen3/hf/model.safetensors"));
  ASSERT_TRUE(file);
  std::vector<uint8_t> bytes(file->bytes().begin(), file->bytes().end());
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  uint32_t random = 1;
  size_t n_refused = 0;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525 + 1013904223;
    const size_t at = (random >> 8) % (8 + header_bytes);
    const uint8_t before = bytes[at];
    bytes[at] = static_cast<uint8_t>(before ^ (1U << (random >> 29)));
    const Result<SafetensorsSet> damaged = SafetensorsSet::parse(bytes);
    n_refused += damaged ? 0 : 1;
    if (damaged) {
      for (const TensorInfo& tensor : damaged->tensors()) {
        ASSERT_TRUE(tensor.data.empty() ||
                    (tensor.data.data() > bytes.data() &&
                     tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size()));
      }
    }
    bytes[at] = before;
  }
  EXPECT_GT(n_refused, 1000U);
}

// Cut at every byte of the header and at 2,000 places of the data.
TEST(GoldenFiles, EveryCutIsAnError) {
  const Result<MappedFile> file = MappedFile::open(golden("qwen3/hf/model.safetensors"));
  ASSERT_TRUE(file);
  const std::span<const uint8_t> bytes = file->bytes();
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const size_t step = std::max<size_t>(1, (bytes.size() - header_bytes) / 2000);
  for (size_t cut = 0; cut < bytes.size(); cut += cut < header_bytes + 8 ? 1 : step) {
    ASSERT_FALSE(SafetensorsSet::parse(bytes.first(cut))) << cut;
  }
}

}  // namespace
}  // namespace maru::formats
