#include "service/model_store.h"

#include <gtest/gtest.h>

#include "base/testing/test_folder.h"

namespace maru::service {
namespace {

TEST(ModelStore, FindsFilesAndFoldersByPath) {
  const TestFolder folder;
  const ModelStore store(folder.path("models"));
  const std::string gguf = folder.write("a/tiny.Q4_1.gguf", "x");
  folder.write("hf/config.json", "{}");
  folder.write("tok/tokenizer.json", "{}");

  const auto file = store.find(gguf);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->name, "tiny.Q4_1");
  EXPECT_EQ(file->path, gguf);
  EXPECT_EQ(file->kind, ModelKind::kGguf);

  const auto huggingface = store.find(folder.path("hf") + "/");
  ASSERT_TRUE(huggingface);
  EXPECT_EQ(huggingface->name, "hf");
  EXPECT_EQ(huggingface->kind, ModelKind::kHuggingFace);

  EXPECT_EQ(store.find(folder.path("tok"))->kind, ModelKind::kTokenizerOnly);
  EXPECT_EQ(store.find(folder.path("tok/tokenizer.json"))->kind, ModelKind::kTokenizerOnly);
}

TEST(ModelStore, FindsAndListsNamesOfTheDataFolder) {
  const TestFolder folder;
  const ModelStore store(folder.path("models"));
  folder.write("models/b.gguf", "x");
  folder.write("models/a/config.json", "{}");
  folder.write("models/notes.txt", "x");
  folder.write("models/empty/readme", "x");

  EXPECT_EQ(store.find("b")->path, folder.path("models/b.gguf"));
  EXPECT_EQ(store.find("b.gguf")->path, folder.path("models/b.gguf"));
  EXPECT_EQ(store.find("a")->kind, ModelKind::kHuggingFace);
  const auto models = store.list();
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].name, "a");
  EXPECT_EQ(models[1].name, "b");
}

TEST(ModelStore, SaysWhatIsThereWhenANameIsUnknown) {
  const TestFolder folder;
  const ModelStore store(folder.path("models"));
  folder.write("models/b.gguf", "x");
  folder.write("empty/readme", "x");
  for (const char* name : {"c", "../b", "", "models/b.gguf/", ".."}) {
    const auto found = store.find(name);
    ASSERT_FALSE(found) << name;
  }
  EXPECT_EQ(store.find("c").error().code, ErrorCode::kNotFound);
  EXPECT_NE(store.find("c").error().hint.find("b"), std::string::npos);
  EXPECT_EQ(store.find(folder.path("empty")).error().code, ErrorCode::kInvalidArgument);
}

TEST(ModelStore, ChoosesTheDefault) {
  const TestFolder folder;
  const ModelStore store(folder.path("models"));
  EXPECT_EQ(store.find_default().error().code, ErrorCode::kNotFound);
  folder.write("models/b.gguf", "x");
  EXPECT_EQ(store.find_default()->name, "b");
  EXPECT_EQ(store.find_or_default("")->name, "b");
  folder.write("models/c.gguf", "x");
  const auto several = store.find_default();
  ASSERT_FALSE(several);
  EXPECT_NE(several.error().hint.find("b, c"), std::string::npos);
  folder.write(std::string("models/") + kShippedModel + ".gguf", "x");
  EXPECT_EQ(store.find_default()->name, kShippedModel);
  folder.write("models/default.gguf", "x");
  EXPECT_EQ(store.find_default()->name, "default");
  EXPECT_EQ(store.find_or_default("c")->name, "c");
}

}  // namespace
}  // namespace maru::service
