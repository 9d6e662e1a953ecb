// Names, answers and manifests: what strangers write. The network is in
// tests/integration/test_pull.py.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "models/family.h"
#include "service/catalogue.h"
#include "service/hub_answer.h"
#include "service/model_manifest.h"
#include "service/staged_file.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;

HubAnswer with_files(const std::vector<std::string>& paths) {
  HubAnswer answer;
  for (const std::string& path : paths) answer.files.push_back({path, 1, "", ""});
  return answer;
}

std::string chosen(const std::vector<std::string>& paths, const FileWish& wish = {}) {
  const auto choice = choose_files(with_files(paths), wish);
  return choice ? choice->files.front().path : "error: " + choice.error().message;
}

TEST(HubName, IsRepositoryQuantisationAndRevision) {
  const auto name = parse_hub_name("Qwen/Qwen3-4B-GGUF:Q8_0@refs/pr/1");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repository, "Qwen/Qwen3-4B-GGUF");
  EXPECT_EQ(name->quantisation, "Q8_0");
  EXPECT_EQ(name->revision, "refs/pr/1");
  EXPECT_EQ(parse_hub_name("a/b")->revision, "main");
  for (const char* text :
       {"", "a", "/b", "a/", "a/b/c", "a/..", "a/b@", "a/b@..", "a/b@a b", "a b/c",
        "a/b:", "a/b:x/y", "a/b?c", "a/b#c", "a/b%2f", "\xed\x95\x9c/b"}) {
    EXPECT_FALSE(parse_hub_name(text)) << text;
  }
}

TEST(ChooseFiles, PrefersSmallGoodQuantisations) {
  EXPECT_EQ(chosen({"m-F16.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf"}), "m-Q4_K_M.gguf");
  EXPECT_EQ(chosen({"m-F16.gguf", "m-q8_0.gguf"}), "m-q8_0.gguf");
  EXPECT_EQ(chosen({"m.IQ2_XS.gguf"}), "m.IQ2_XS.gguf");
  EXPECT_EQ(chosen({"mmproj-F16.gguf", "m.gguf"}), "m.gguf");
  EXPECT_EQ(chosen({"m-Q4_K_M.gguf", "m-Q8_0.gguf"}, {"Q8_0", "", false}), "m-Q8_0.gguf");
  EXPECT_EQ(chosen({"a-Q4_0.gguf", "b-Q4_0.gguf"}, {"", "b-Q4_0.gguf", false}), "b-Q4_0.gguf");
}

TEST(ChooseFiles, TakesAQuantisationsWholeName) {
  EXPECT_EQ(chosen({"m-Q4_K_L.gguf", "m-Q4_K_S.gguf"}, {"Q4_K", "", false}).rfind("error", 0), 0u);
  EXPECT_EQ(chosen({"m-IQ4_0.gguf", "m-Q4_0.gguf"}, {"q4_0", "", false}), "m-Q4_0.gguf");
  EXPECT_EQ(chosen({"Q4_0/m.gguf", "m-Q8_0.gguf"}, {"Q4_0", "", false}).rfind("error", 0), 0u);
}

TEST(ChooseFiles, RefusesWhatIsAmbiguousSplitOrNoModel) {
  for (const auto& paths : std::vector<std::vector<std::string>>{
           {"a-Q4_0.gguf", "b-Q4_0.gguf"},
           {"m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf"},
           {"m-00001-of-00001.gguf"},
           {"a.IQ1.gguf", "b.IQ2.gguf"},
           {"config.json", "tokenizer.json", "pytorch_model.bin"},
           {"config.json", "model.safetensors"},
           {"tokenizer.json", "model.safetensors"},
           {}}) {
    const auto choice = choose_files(with_files(paths), {});
    ASSERT_FALSE(choice);
    EXPECT_FALSE(choice.error().hint.empty());
  }
}

TEST(ChooseFiles, TakesNoCodeAndNoPickles) {
  const auto choice = choose_files(
      with_files({"config.json", "tokenizer.json", "model-00001-of-00002.safetensors",
                  "model-00002-of-00002.safetensors", "model.safetensors.index.json", "modeling.py",
                  "pytorch_model.bin", "README.md", "onnx/model.safetensors", "LICENSE"}),
      {});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->files.size(), 7u);
}

TEST(InnerPath, StaysInside) {
  for (const char* path : {"a", "a/b", "a.b/c-d_e", "1_Pooling/config.json", "..a", "a..", "..."}) {
    EXPECT_TRUE(check_inner_path(path)) << path;
  }
  for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b",
                           "a/./b", "a\\b", "a\nb", "a\x7f"}) {
    EXPECT_FALSE(check_inner_path(path)) << path;
  }
  EXPECT_FALSE(check_inner_path(std::string("a\0b", 3)));
  EXPECT_FALSE(check_inner_path(std::string(300, 'a')));
}

ModelManifest sample() {
  ModelManifest manifest;
  manifest.name = "m";
  manifest.origin = {"hub", "https://hub.example", "a/b", "main", std::string(40, 'a')};
  manifest.added_at = 7;
  manifest.files = {{"a.gguf", 3, std::string(64, '0')}, {"b/c.txt", 0, std::string(64, 'f')}};
  return manifest;
}

TEST(Manifest, ComesBackFromItsText) {
  const auto again = parse_manifest(print_manifest(sample()));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(print_manifest(*again), print_manifest(sample()));
  EXPECT_EQ(again->total_bytes(), 3u);
}

TEST(Manifest, RefusesFilesThatCollideOrLeaveTheFolder) {
  for (const std::vector<std::string>& paths : std::vector<std::vector<std::string>>{
           {"a", "a"}, {"a", "a/b"}, {"a", "a-b", "a/b"}, {"../a"}, {"/a"}, {kManifestName}, {}}) {
    ModelManifest manifest = sample();
    manifest.files.clear();
    for (const auto& path : paths) manifest.files.push_back({path, 1, std::string(64, '0')});
    EXPECT_FALSE(parse_manifest(print_manifest(manifest))) << (paths.empty() ? "" : paths[0]);
  }
  for (const char* name : {"", "..", "a/b", ".a", "a b"}) {
    ModelManifest manifest = sample();
    manifest.name = name;
    EXPECT_FALSE(parse_manifest(print_manifest(manifest))) << name;
  }
}

TEST(Catalogue, HasSoundEntriesOfWhichMostAreSupported) {
  const auto text = read_file(MARU_SOURCE_DIR "/share/catalogue.json", 1 << 20);
  ASSERT_TRUE(text);
  const auto models = parse_catalogue(*text);
  ASSERT_TRUE(models) << models.error().to_string();
  EXPECT_EQ(models->size(), catalogue().size());
  EXPECT_EQ(models->front().languages.front(), "ko");
  size_t n_supported = 0;
  for (const CatalogueModel& model : *models) {
    EXPECT_TRUE(model.source.starts_with("https://")) << model.id;
    EXPECT_LE(model.n_active_parameters, model.n_parameters);
    EXPECT_GE(model.context_length, 4096u) << model.id;
    // Between two bits and 16 a weight, metadata aside.
    const double bits =
        8.0 * static_cast<double>(model.bytes) / static_cast<double>(model.n_parameters);
    EXPECT_GT(bits, 2.0) << model.id;
    EXPECT_LT(bits, 16.5) << model.id;
    for (const models::Family* family : models::all_families()) {
      n_supported += model.family == family->name ? 1 : 0;
    }
  }
  EXPECT_GE(n_supported, 5u);
  EXPECT_NE(find_in_catalogue(models->front().id), nullptr);
  EXPECT_EQ(find_in_catalogue("nothing"), nullptr);
}

TEST(Catalogue, RefusesEntriesThatLackOrAddSomething) {
  for (const char* text : {"", "[]", "{}", R"({"models": {}})", R"({"models": [1]})",
                           R"({"models": [{"id": "a"}]})"}) {
    EXPECT_FALSE(parse_catalogue(text)) << text;
  }
}

class StagedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("maru_staged_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<StagedFile> open(const std::string& identity, uint64_t size) {
    auto file = StagedFile::open(folder_ / "f", folder_ / "f.map", identity, size);
    EXPECT_TRUE(file);
    return *std::move(file);
  }

  fs::path folder_;
};

TEST_F(StagedFileTest, GoesOnWhereItWas) {
  constexpr uint64_t kCell = StagedFile::kCellBytes;
  constexpr uint64_t kSize = 5 * kCell + 17;
  const std::vector<uint8_t> bytes(kCell + 5, 'x');
  {
    const auto file = open("one", kSize);
    EXPECT_FALSE(file->was_resumed());
    const auto first = file->claim(2 * kCell);
    const auto second = file->claim(2 * kCell);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(second->begin, 2 * kCell);
    ASSERT_TRUE(file->write(second->begin, second->begin, bytes));  // a cell, and 5 bytes of one
    EXPECT_EQ(file->done_bytes(), kCell);
    ASSERT_TRUE(file->set_etag("\"e\""));
    EXPECT_EQ(file->claim(100 * kCell)->begin, 4 * kCell);
    EXPECT_FALSE(file->claim(1));
    file->release(*second);
    EXPECT_EQ(file->claim(1)->begin, 3 * kCell);
  }
  {
    const auto file = open("one", kSize);
    EXPECT_TRUE(file->was_resumed());
    EXPECT_EQ(file->done_bytes(), kCell);
    EXPECT_EQ(file->etag(), "\"e\"");
    for (auto span = file->claim(kCell); span; span = file->claim(kCell)) {
      ASSERT_TRUE(
          file->write(span->begin, span->begin, std::span(bytes).first(span->end - span->begin)));
    }
    EXPECT_TRUE(file->is_complete());
  }
  EXPECT_TRUE(open("one", kSize)->is_complete());
  EXPECT_EQ(open("two", kSize)->done_bytes(), 0u);  // another content
  EXPECT_EQ(open("two", kSize - 1)->done_bytes(), 0u);
  EXPECT_TRUE(open("none", 0)->is_complete());
}

}  // namespace
}  // namespace maru::service
