#include "models/packed_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "models/model.h"
#include "models/testing/changed_model.h"
#include "models/testing/paged_run.h"

namespace maru::models {
namespace {

namespace fs = std::filesystem;
using testing::golden_path;

class PackedStoreTest : public ::testing::Test {
 protected:
  PackedStoreTest() { copy_model("llama/model.gguf"); }

  void copy_model(const char* form) {
    fs::copy_file(golden_path(form), model_, fs::copy_options::overwrite_existing);
  }
  std::unique_ptr<Model> load() {
    auto model = Model::load(model_, {.packed_folder = folder_.path() + "/cache"}, pool_);
    EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().to_string());
    return std::move(model).value();
  }
  // A load that packs and leaves the cache behind.
  std::unique_ptr<Model> load_and_write() {
    auto model = load();
    EXPECT_TRUE(model->has_packing_left());
    const Status written = model->finish_packing(never_);
    EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().to_string());
    return model;
  }
  std::vector<float> answer(const Model& model) {
    const std::vector<int32_t> tokens = {1, 5, 9, 2, 7};
    return testing::run_all(model, tokens, tokens.size(), pool_);
  }
  fs::path cache_file() const {
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/cache")) return entry.path();
    return {};
  }

  ThreadPool pool_{2};
  const std::atomic<bool> never_{false};
  TestFolder folder_;
  const std::string model_ = folder_.path() + "/model.gguf";
};

TEST_F(PackedStoreTest, SecondLoadMapsAndAnswersTheSame) {
  const auto first = load_and_write();
  const auto second = load();
  EXPECT_FALSE(second->has_packing_left());
  EXPECT_EQ(answer(*first), answer(*second));
  EXPECT_EQ(first->info().fingerprint, second->info().fingerprint);
  EXPECT_EQ(second->info().fingerprint, Model::read_info(model_)->fingerprint);
}

TEST_F(PackedStoreTest, EveryGoldenFormAnswersTheSame) {
  for (const char* form :
       {"gemma3-gguf/model.gguf", "llama-bias/hf", "qwen2-untied/hf", "qwen3-bf16/hf"}) {
    const LoadOptions options{.packed_folder = folder_.path() + "/cache"};
    const auto first = Model::load(golden_path(form), options, pool_).value();
    ASSERT_TRUE(first->finish_packing(never_).has_value()) << form;
    const auto second = Model::load(golden_path(form), options, pool_).value();
    EXPECT_FALSE(second->has_packing_left()) << form;
    EXPECT_EQ(answer(*first), answer(*second)) << form;
  }
}

TEST_F(PackedStoreTest, WithoutAFolderNothingIsKept) {
  const auto model = Model::load(model_, {}, pool_).value();
  EXPECT_FALSE(model->has_packing_left());
}

TEST_F(PackedStoreTest, AReplacedModelIsPackedAgainIntoTheSameFile) {
  load_and_write();
  const fs::path old = cache_file();
  copy_model("gemma3-gguf/model.gguf");
  const auto model = load_and_write();
  EXPECT_EQ(model->info().family, "gemma3");
  EXPECT_EQ(cache_file(), old);
  EXPECT_FALSE(load()->has_packing_left());
}

// Same size, same modification time: the time of change tells.
TEST_F(PackedStoreTest, AnEditThatKeepsSizeAndTimeIsNoticed) {
  load_and_write();
  const auto time = fs::last_write_time(model_);
  {
    std::fstream file(model_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x11');
  }
  fs::last_write_time(model_, time);
  EXPECT_TRUE(load()->has_packing_left());
}

TEST_F(PackedStoreTest, DamagedFilesAreReplaced) {
  const auto expected = answer(*load_and_write());
  const fs::path file = cache_file();
  const auto size = fs::file_size(file);
  for (const uintmax_t at : {uintmax_t{9}, size / 2, size - 100, size - 1}) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ 4));
    stream.close();
    EXPECT_EQ(answer(*load_and_write()), expected) << at;
    EXPECT_FALSE(load()->has_packing_left()) << at;
  }
  fs::resize_file(file, size / 3);
  EXPECT_EQ(answer(*load_and_write()), expected);
}

TEST_F(PackedStoreTest, CachesOfModelsThatAreGoneAreRemoved) {
  load_and_write();
  const fs::path orphan = cache_file();
  const std::string other = folder_.path() + "/other.gguf";
  fs::rename(model_, other);
  const LoadOptions options{.packed_folder = folder_.path() + "/cache"};
  ASSERT_TRUE(Model::load(other, options, pool_).value()->finish_packing(never_).has_value());
  EXPECT_FALSE(fs::exists(orphan));
  EXPECT_NE(cache_file(), orphan);
}

TEST_F(PackedStoreTest, AFolderThatCannotBeMadeOnlyCostsTheCache) {
  std::ofstream(folder_.path() + "/cache") << "a file where the folder should be";
  const auto model = load();
  EXPECT_FALSE(answer(*model).empty());
  EXPECT_FALSE(model->finish_packing(never_).has_value());
}

}  // namespace
}  // namespace maru::models
