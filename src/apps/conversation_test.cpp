#include "apps/conversation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/json.h"

namespace maru::apps {
namespace {

class ConversationTest : public testing::Test {
 protected:
  ConversationTest()
      : path_(std::filesystem::temp_directory_path() /
              ("maru_conversation_" + std::to_string(::getpid()) + ".json")) {}
  ~ConversationTest() override { std::filesystem::remove(path_); }

  const std::string path_;
  Conversation conversation_;
};

TEST_F(ConversationTest, ResetKeepsTheInstruction) {
  conversation_.set_system("short");
  conversation_.add("user", "hi");
  conversation_.reset();
  EXPECT_EQ(dump_json(conversation_.messages()), R"([{"role":"system","content":"short"}])");
  conversation_.set_system("");
  EXPECT_EQ(conversation_.size(), 0U);
}

TEST_F(ConversationTest, SurvivesSavingAndLoading) {
  conversation_.add("user", "안녕 \"q\"\n");
  conversation_.add("assistant", "네");
  ASSERT_TRUE(conversation_.save(path_, "m"));
  Conversation other;
  ASSERT_TRUE(other.load(path_));
  EXPECT_EQ(dump_json(other.messages()), dump_json(conversation_.messages()));
  EXPECT_EQ((*parse_json(*read_file(path_, 1000)))["model"], "m");
}

TEST_F(ConversationTest, TakesABareArrayAndDropsUnknownFields) {
  ASSERT_TRUE(write_file_atomically(path_, R"([{"role": "user", "content": "a", "id": 7}])"));
  ASSERT_TRUE(conversation_.load(path_));
  EXPECT_EQ(dump_json(conversation_.messages()), R"([{"role":"user","content":"a"}])");
}

TEST_F(ConversationTest, ABadFileChangesNothing) {
  conversation_.add("user", "kept");
  const std::string before = dump_json(conversation_.messages());
  EXPECT_EQ(conversation_.load(path_).error().code, ErrorCode::kNotFound);
  for (const char* text :
       {"", "{", "7", "{}", R"({"messages": 1})", "[1]", R"([{"role": "user"}])",
        R"([{"role": "user", "content": 1}])", R"([{"role": "root", "content": "x"}])",
        R"([{"role": "user", "content": "a"}, {"content": "b"}])"}) {
    ASSERT_TRUE(write_file_atomically(path_, text));
    const auto status = conversation_.load(path_);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_EQ(dump_json(conversation_.messages()), before) << text;
  }
}

}  // namespace
}  // namespace maru::apps
