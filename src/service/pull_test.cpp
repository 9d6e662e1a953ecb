// Bringing models in from this machine's disk. Hubs are in tests/integration/test_pull.py.
#include "service/pull.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "service/model_store.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;

class PullTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("maru_pull_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(models());
    fs::create_directories(source());
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path models() const { return folder_ / "models"; }
  fs::path source() const { return folder_ / "source"; }
  void put(const std::string& inner, const std::string& text) const {
    fs::create_directories((source() / inner).parent_path());
    ASSERT_TRUE(write_file_atomically(source() / inner, text));
  }
  Result<Pulled> pull(const PullCalls& calls = {}) const {
    return pull_from_disk(source(), {models(), "it", {}}, calls);
  }
  // Of pulls that did not end.
  bool has_leftovers() const { return fs::exists(models() / ".incoming" / "it.files"); }

  fs::path folder_;
};

TEST_F(PullTest, AGgufFileOfAnInnerFolderIsFoundWhereModelsAreLookedFor) {
  put("Q8_0/Tiny-Q8_0.GGUF", "weights");
  const auto pulled = pull();
  ASSERT_TRUE(pulled) << pulled.error().to_string();
  EXPECT_EQ(pulled->manifest.files.at(0).path, "Tiny-Q8_0.gguf");
  const auto found = ModelStore(models()).find("it");
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_EQ(found->kind, ModelKind::kGguf);
  EXPECT_TRUE(verify_files(pulled->path, pulled->manifest)->empty());
}

TEST_F(PullTest, AStoppedCopyLeavesNothingForTheNext) {
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors", "vocab.txt"}) {
    put(name, "x");
  }
  size_t n_files = 0;
  PullCalls calls;
  calls.on_progress = [&](const PullProgress& progress) { n_files = progress.n_done; };
  calls.should_stop = [&] { return n_files == 4; };
  const auto stopped = pull(calls);
  ASSERT_FALSE(stopped);
  EXPECT_FALSE(has_leftovers());  // the disk may have room for one copy only
  EXPECT_FALSE(fs::exists(models() / "it"));

  fs::remove(source() / "vocab.txt");
  const auto pulled = pull();
  ASSERT_TRUE(pulled) << pulled.error().to_string();
  EXPECT_EQ(pulled->manifest.files.size(), 3u);
  EXPECT_FALSE(fs::exists(models() / "it" / "vocab.txt"));
  EXPECT_FALSE(has_leftovers());
}

// As a hub's own cache keeps them.
TEST_F(PullTest, AFolderOfLinksIsRefusedWithTheWayOut) {
  fs::create_directories(folder_ / "blobs");
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
    ASSERT_TRUE(write_file_atomically(folder_ / "blobs" / name, "x"));
    fs::create_symlink(folder_ / "blobs" / name, source() / name);
  }
  const auto refused = pull();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().hint.find("cp -rL"), std::string::npos) << refused.error().hint;
}

}  // namespace
}  // namespace maru::service
