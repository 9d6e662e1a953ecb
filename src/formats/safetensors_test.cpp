#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "formats/testing/safetensors_writer.h"

namespace maru::formats {
namespace {

using formats::testing::safetensors_bytes;
using formats::testing::SafetensorsWriter;
using ::testing::HasSubstr;

// The error for a file of this header and `n_data_bytes` zeros; a success fails the test.
Error header_error(std::string_view header, size_t n_data_bytes) {
  const std::vector<uint8_t> bytes = safetensors_bytes(header, std::vector<uint8_t>(n_data_bytes));
  Result<SafetensorsSet> set = SafetensorsSet::parse(bytes);
  EXPECT_FALSE(set.has_value()) << header;
  return set ? Error{} : set.error();
}

class Folder {
 public:
  Folder() {
    static int counter = 0;
    path_ = ::testing::TempDir() + "maru_safetensors_" + std::to_string(::getpid()) + "_" +
            std::to_string(counter++);
    std::filesystem::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  void write(const std::string& name, const std::vector<uint8_t>& bytes) const {
    std::ofstream out(path_ + "/" + name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  void write(const std::string& name, const std::string& text) const {
    write(name, std::vector<uint8_t>(text.begin(), text.end()));
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<uint8_t> one_tensor_file(const std::string& name, float value) {
  SafetensorsWriter writer;
  writer.add_tensor(name, {1}, std::vector<float>{value});
  return writer.finish();
}

TEST(Safetensors, ReadsTensors) {
  SafetensorsWriter writer;
  writer.add_tensor("a", {2, 2}, std::vector<float>{1, 2, 3, 4});
  writer.add_tensor("half", {3}, "F16", std::vector<uint8_t>(6, 1));
  writer.add_tensor("brain", {1, 1}, "BF16", std::vector<uint8_t>(2, 2));
  writer.add_tensor("scalar", {}, std::vector<float>{9});
  writer.add_tensor("none", {0, 7}, std::vector<float>{});
  writer.add_tensor("ids", {2}, "I64", std::vector<uint8_t>(16));
  const std::vector<uint8_t> bytes = writer.finish();
  const Result<SafetensorsSet> set = SafetensorsSet::parse(bytes);
  ASSERT_TRUE(set) << set.error().to_string();
  EXPECT_EQ(set->tensors().size(), 5U);
  EXPECT_EQ(set->find_tensor("a")->shape, (std::vector<uint64_t>{2, 2}));
  EXPECT_EQ(set->find_tensor("a")->gguf_type, 0U);
  EXPECT_EQ(set->find_tensor("a")->data.size(), 16U);
  EXPECT_EQ(set->find_tensor("half")->gguf_type, 1U);
  EXPECT_EQ(set->find_tensor("half")->data.front(), 1);
  EXPECT_EQ(set->find_tensor("brain")->gguf_type, 30U);
  EXPECT_EQ(set->find_tensor("scalar")->data.size(), 4U);
  EXPECT_TRUE(set->find_tensor("none")->data.empty());
  EXPECT_EQ(set->find_tensor("ids"), nullptr);
  EXPECT_EQ(set->unsupported().at("ids"), "I64");
}

TEST(Safetensors, AcceptsMetadataGapsAndAnyOrder) {
  const std::vector<uint8_t> bytes =
      safetensors_bytes(R"({"__metadata__":{"format":"pt"},)"
                        R"("late":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
                        R"("early":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                        std::vector<uint8_t>(20));
  const Result<SafetensorsSet> set = SafetensorsSet::parse(bytes);
  ASSERT_TRUE(set) << set.error().to_string();
  EXPECT_EQ(set->find_tensor("late")->data.data() - set->find_tensor("early")->data.data(), 12);
}

TEST(Safetensors, RefusesBadHeaders) {
  EXPECT_EQ(SafetensorsSet::parse({}).error().code, ErrorCode::kCorrupt);
  for (const uint64_t length : {uint64_t{0}, uint64_t{1} << 20, ~uint64_t{0}}) {
    std::vector<uint8_t> bytes = one_tensor_file("a", 1);
    std::memcpy(bytes.data(), &length, sizeof(length));
    EXPECT_EQ(SafetensorsSet::parse(bytes).error().code, ErrorCode::kCorrupt);
  }
  header_error("[]", 0);
  header_error(" {}", 0);
  header_error("{", 0);
  header_error("{\"a\":1}", 0);
  header_error("{\"a\":{\"dtype\":\"F32\"", 0);
  const std::string deep(200000, '[');
  EXPECT_THAT(header_error("{\"a\":" + deep, 0).message, HasSubstr("nested"));
}

TEST(Safetensors, RefusesBadEntries) {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}}";
  };
  ASSERT_TRUE(SafetensorsSet::parse(
      safetensors_bytes(entry(R"("F32")", "[2]", "[0,8]"), std::vector<uint8_t>(8))));
  const std::vector<std::string> bad = {
      entry("1", "[2]", "[0,8]"),
      entry("null", "[2]", "[0,8]"),
      entry(R"("F32")", "2", "[0,8]"),
      entry(R"("F32")", "[-2]", "[0,8]"),
      entry(R"("F32")", "[2.0]", "[0,8]"),
      entry(R"("F32")", R"(["2"])", "[0,8]"),
      entry(R"("F32")", "[1,1,1,1,1,1,1,1,2]", "[0,8]"),
      entry(R"("F32")", "[2]", "8"),
      entry(R"("F32")", "[2]", "[8]"),
      entry(R"("F32")", "[2]", "[0,4,8]"),
      entry(R"("F32")", "[2]", "[8,0]"),
      entry(R"("F32")", "[2]", "[4,12]"),
      entry(R"("F32")", "[2]", "[-8,0]"),
      entry(R"("F32")", "[1]", "[0,8]"),
      entry(R"("F16")", "[2]", "[0,8]"),
      entry(R"("F32")", "[4611686018427387904]", "[0,0]"),
      entry(R"("F32")", "[4294967296,4294967296,4]", "[0,0]"),
      entry(R"("F32")", "[99999999999999999999]", "[0,8]"),
      entry(R"("I64")", "[1]", "[0,9]"),
  };
  for (const std::string& header : bad) {
    const Error error = header_error(header, 8);
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_THAT(error.message, HasSubstr("'w'"));
  }
}

// A large model of experts has this many; reading must not be quadratic in them.
TEST(Safetensors, ManyTensors) {
  constexpr size_t kTensors = 100000;
  SafetensorsWriter writer;
  for (size_t i = 0; i < kTensors; ++i) {
    writer.add_tensor("t" + std::to_string(i), {1}, std::vector<float>{static_cast<float>(i)});
  }
  const std::vector<uint8_t> bytes = writer.finish();
  const Result<SafetensorsSet> set = SafetensorsSet::parse(bytes);
  ASSERT_TRUE(set) << set.error().to_string();
  EXPECT_EQ(set->tensors().size(), kTensors);
  float value = 0;
  std::memcpy(&value, set->find_tensor("t77777")->data.data(), sizeof(value));
  EXPECT_EQ(value, 77777.0F);
}

TEST(Safetensors, RefusesOverlap) {
  EXPECT_THAT(header_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                           R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                           8)
                  .message,
              HasSubstr("share bytes"));
}

TEST(Safetensors, EveryPrefixIsAnError) {
  SafetensorsWriter writer;
  writer.add_tensor("a", {2, 2}, std::vector<float>{1, 2, 3, 4});
  writer.add_tensor("b", {3}, "F16", std::vector<uint8_t>(6, 1));
  const std::vector<uint8_t> bytes = writer.finish();
  ASSERT_TRUE(SafetensorsSet::parse(bytes));
  for (size_t n = 0; n < bytes.size(); ++n) {
    const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_FALSE(SafetensorsSet::parse(prefix)) << n;
  }
}

TEST(SafetensorsFolder, OneFile) {
  const Folder folder;
  EXPECT_EQ(SafetensorsSet::open_folder(folder.path()).error().code, ErrorCode::kNotFound);
  folder.write("model.safetensors", one_tensor_file("a", 1));
  const Result<SafetensorsSet> set = SafetensorsSet::open_folder(folder.path());
  ASSERT_TRUE(set) << set.error().to_string();
  EXPECT_NE(set->find_tensor("a"), nullptr);
}

TEST(SafetensorsFolder, Shards) {
  const Folder folder;
  folder.write("x-1.safetensors", one_tensor_file("a", 1));
  folder.write("x-2.safetensors", one_tensor_file("b", 2));
  folder.write("model.safetensors.index.json",
               R"({"metadata":{"total_size":8},"weight_map":{"a":"x-1.safetensors",)"
               R"("b":"x-2.safetensors"}})");
  const Result<SafetensorsSet> set = SafetensorsSet::open_folder(folder.path());
  ASSERT_TRUE(set) << set.error().to_string();
  float value = 0;
  std::memcpy(&value, set->find_tensor("b")->data.data(), sizeof(value));
  EXPECT_EQ(value, 2.0F);
}

TEST(SafetensorsFolder, RefusesBadIndexes) {
  const std::vector<std::string> bad = {
      "not JSON",
      "[]",
      "{}",
      R"({"weight_map":[]})",
      R"({"weight_map":{"a":1}})",
      R"({"weight_map":{"a":""}})",
      R"({"weight_map":{"a":"."}})",
      R"({"weight_map":{"a":".."}})",
      R"({"weight_map":{"a":"../x.safetensors"}})",
      R"({"weight_map":{"a":"/etc/passwd"}})",
      R"({"weight_map":{"a":"sub/x.safetensors"}})",
      R"({"weight_map":{"a":"sub\\x.safetensors"}})",
      R"({"weight_map":{"a":"x.safetensors\u0000.txt"}})",
      R"({"weight_map":{"a":"absent.safetensors"}})",
      R"({"weight_map":{"a":"x.safetensors","missing":"x.safetensors"}})",
  };
  for (const std::string& index : bad) {
    const Folder folder;
    folder.write("x.safetensors", one_tensor_file("a", 1));
    folder.write("model.safetensors.index.json", index);
    EXPECT_FALSE(SafetensorsSet::open_folder(folder.path())) << index;
  }
}

TEST(SafetensorsFolder, RefusesATensorInTwoShards) {
  const Folder folder;
  folder.write("x-1.safetensors", one_tensor_file("a", 1));
  folder.write("x-2.safetensors", one_tensor_file("a", 2));
  const Result<SafetensorsSet> set = SafetensorsSet::open_files(
      {folder.path() + "/x-1.safetensors", folder.path() + "/x-2.safetensors"});
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message, HasSubstr("twice"));
}

}  // namespace
}  // namespace maru::formats
