#include "service/model_text.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files.h"
#include "base/json.h"
#include "base/testing/test_folder.h"

namespace maru::service {
namespace {

// The folder of real tokenizer files; a test that needs it fails without.
std::string real_tokenizer(const std::string& family) {
  const char* folder = std::getenv("MARU_TEST_TOKENIZERS");
  EXPECT_NE(folder, nullptr) << "MARU_TEST_TOKENIZERS must name the folder of tokenizer-*/";
  return std::string(folder == nullptr ? "" : folder) + "/tokenizer-" + family + "/models";
}

// A model's folder with a real tokenizer, as a person has it.
class ModelTextTest : public testing::Test {
 protected:
  ModelTextTest() {
    std::filesystem::create_symlink(real_tokenizer("qwen3") + "/tokenizer.json",
                                    folder_.path("tokenizer.json"));
    folder_.write("config.json", "{}");
  }

  Result<ModelText> load(const std::string& default_template = "") {
    return load_model_text({"tiny", folder_.path(), ModelKind::kHuggingFace}, default_template);
  }

  static std::string render(const ModelText& text) {
    const Json messages = Json::array({{{"role", "user"}, {"content", "hi"}}});
    text::TemplateInput input;
    input.messages = &messages;
    auto out = text.chat_template->render_text(input);
    EXPECT_TRUE(out) << out.error().to_string();
    return out ? *out : "";
  }

  TestFolder folder_;
};

TEST_F(ModelTextTest, ReadsATemplateOfItsOwnFile) {
  folder_.write("chat_template.jinja", "file:{{ messages[0].content }}");
  folder_.write("tokenizer_config.json", R"({"chat_template": "config"})");
  const auto text = load();
  ASSERT_TRUE(text) << text.error().to_string();
  EXPECT_EQ(render(*text), "file:hi");
  EXPECT_EQ(text->template_origin, "model");
}

TEST_F(ModelTextTest, ReadsTheTemplateOfTheTokenizersConfiguration) {
  folder_.write("tokenizer_config.json", R"({"chat_template": "one:{{ messages[0].content }}"})");
  const auto one = load("chatml");
  ASSERT_TRUE(one) << one.error().to_string();
  EXPECT_EQ(render(*one), "one:hi");
  folder_.write("tokenizer_config.json",
                R"({"chat_template": [{"name": "tool_use", "template": "no"},
                                      {"name": "default", "template": "named"}]})");
  const auto named = load();
  ASSERT_TRUE(named) << named.error().to_string();
  EXPECT_EQ(render(*named), "named");
}

TEST_F(ModelTextTest, UsesTheDefaultTemplateOnlyWhereThereIsNone) {
  EXPECT_EQ(load()->chat_template, nullptr);
  const auto builtin = load("chatml");
  ASSERT_TRUE(builtin) << builtin.error().to_string();
  EXPECT_EQ(builtin->template_origin, "chatml");
  EXPECT_EQ(render(*builtin), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(render(*load("plain")), "User: hi\n\nAssistant:");
  const std::string file = folder_.write("own.jinja", "own:{{ messages[0].content }}");
  EXPECT_EQ(render(*load(file)), "own:hi");
  EXPECT_EQ(load("absent.jinja").error().code, ErrorCode::kNotFound);
}

TEST_F(ModelTextTest, NamesTheModelAndTheLineOfABrokenTemplate) {
  folder_.write("chat_template.jinja", "{% for x in %}");
  const auto text = load();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(text.error().message.find("tiny"), std::string::npos) << text.error().message;
}

TEST_F(ModelTextTest, JoinsTheEndTokensOfAllFiles) {
  folder_.write("generation_config.json", R"({"eos_token_id": [7, 5, 99999999, -1]})");
  folder_.write("config.json", R"({"eos_token_id": 9})");
  const auto text = load();
  ASSERT_TRUE(text) << text.error().to_string();
  for (const text::TokenId id : {5, 7, 9}) {
    EXPECT_TRUE(std::count(text->end_tokens.begin(), text->end_tokens.end(), id)) << id;
  }
  for (const text::TokenId id : {99999999, -1}) {
    EXPECT_FALSE(std::count(text->end_tokens.begin(), text->end_tokens.end(), id)) << id;
  }
}

TEST_F(ModelTextTest, RefusesBrokenJsonByFile) {
  folder_.write("tokenizer_config.json", "{");
  const auto text = load();
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("tokenizer_config.json"), std::string::npos);
  folder_.write("tokenizer_config.json", "[]");
  EXPECT_EQ(load().error().code, ErrorCode::kCorrupt);
}

TEST_F(ModelTextTest, ReadsTheLicenceOfTheModelCard) {
  EXPECT_EQ(load()->licence, "");
  folder_.write("README.md", "---\nlanguage: ko\nlicense: apache-2.0\n---\n# Model\n");
  EXPECT_EQ(load()->licence, "apache-2.0");
  folder_.write("README.md", "license: no front matter\n");
  EXPECT_EQ(load()->licence, "");
}

TEST(ModelText, ReadsTokenizersOfFoldersAndFiles) {
  const std::string folder = real_tokenizer("qwen3");
  for (const std::string& path : {folder, folder + "/tokenizer.json"}) {
    const auto tokenizer = load_tokenizer({"t", path, ModelKind::kTokenizerOnly});
    ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
    EXPECT_GT((*tokenizer)->size(), 150'000U);
  }
  const auto absent = load_tokenizer({"t", "/absent", ModelKind::kTokenizerOnly});
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
}

TEST(ModelText, ReadsAGgufFile) {
  const char* folder = std::getenv("MARU_TEST_MODELS");
  ASSERT_NE(folder, nullptr) << "MARU_TEST_MODELS must name the folder of the GGUF files";
  const auto smol = load_model_text(
      {"smol", std::string(folder) + "/SmolLM2-135M-Instruct.Q4_1.gguf", ModelKind::kGguf}, "");
  ASSERT_TRUE(smol) << smol.error().to_string();
  EXPECT_EQ(smol->licence, "apache-2.0");
  EXPECT_EQ(smol->tokenizer->size(), 49152U);
  EXPECT_EQ(smol->template_origin, "model");
  EXPECT_TRUE(std::count(smol->end_tokens.begin(), smol->end_tokens.end(), 2));
  const auto gemma = load_model_text(
      {"gemma", std::string(folder) + "/gemma-3-270m-q4_k_m.gguf", ModelKind::kGguf}, "");
  ASSERT_TRUE(gemma) << gemma.error().to_string();
  EXPECT_EQ(gemma->chat_template, nullptr);
}

}  // namespace
}  // namespace maru::service
