#include "apps/files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"

namespace maru::apps {
namespace {

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    folder_ = std::filesystem::temp_directory_path() / ("maru_files_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }

  Result<std::vector<int32_t>> read_ids(const std::string& text) {
    const std::string path = folder_ / "ids.json";
    EXPECT_TRUE(write_file_atomically(path, text));
    return read_token_ids(path);
  }

  std::filesystem::path folder_;
};

TEST_F(FilesTest, ReadsTokenIds) {
  EXPECT_EQ(*read_ids("[]"), std::vector<int32_t>{});
  EXPECT_EQ(*read_ids(" [1, 2147483647,0]\n"), (std::vector<int32_t>{1, 2147483647, 0}));
}

TEST_F(FilesTest, RefusesWhatIsNoListOfIds) {
  for (const char* text : {"", "1", "{}", "[1", "[1.5]", "[\"1\"]", "[-1]", "[2147483648]",
                           "[null]", "[18446744073709551615]", "[[1]]", "[true]", "[1]x"}) {
    const auto ids = read_ids(text);
    ASSERT_FALSE(ids) << text;
    EXPECT_EQ(ids.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(ids.error().message.find("ids.json"), std::string::npos);
  }
  EXPECT_NE(read_ids("[1, 2, \"x\"]").error().message.find("entry 2"), std::string::npos);
  EXPECT_EQ(read_token_ids(folder_ / "absent").error().code, ErrorCode::kNotFound);
}

TEST_F(FilesTest, ChecksIdsAgainstTheVocabulary) {
  EXPECT_TRUE(check_token_ids(std::vector<int32_t>{0, 9}, 10, "f"));
  const auto status = check_token_ids(std::vector<int32_t>{0, 10}, 10, "f");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("entry 1"), std::string::npos);
}

TEST_F(FilesTest, AFileAppearsOnlyWhenItIsComplete) {
  const std::string path = folder_ / "out.bin";
  {
    auto writer = FileWriter::create(path);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write("half"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  auto writer = FileWriter::create(path);
  ASSERT_TRUE((*writer)->write("ab"));
  ASSERT_TRUE((*writer)->write("cd"));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE((*writer)->finish());
  EXPECT_EQ(*read_file(path, 100), "abcd");
  EXPECT_FALSE(FileWriter::create(folder_ / "absent/out.bin"));
}

}  // namespace
}  // namespace maru::apps
