#include "service/titles.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "service/chats.h"
#include "service/test_fakes.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

TEST(TitleIn, IsOneLineWithoutMarks) {
  const std::pair<const char*, const char*> cases[] = {
      {"A short title", "A short title"},
      {"\n\n \"Title: The Hall.\" \nand more", "The Hall"},
      {"**제목: 마루 이야기**", "마루 이야기"},
      {"# “마루”의 뜻", "마루”의 뜻"},
      {"<think>\nhm, a title\n</think>\n\nHalls", "Halls"},
      {"<think>\nendless", ""},
      {"Here's a title for it:  \n\n\"The Hall\"\n", "The Hall"},
      {"Here's a title for it:", ""},
      {"  \n\t\r\n", ""},
      {"***", ""},
      {"", ""},
  };
  for (const auto& [answer, title] : cases) EXPECT_EQ(title_in(answer), title) << answer;
  EXPECT_EQ(title_in("Write a title for this conversation: at most six words"), "");
  EXPECT_EQ(title_in("**At most six words, in the language**"), "");
  EXPECT_LT(title_in(std::string(5000, 'x')).size(), 80u);
}

class TitlesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = store_.open(store::all_migrations());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
    generation_ = std::make_shared<GenerationService>(
        engine_, std::vector<ServedModel>{tiny_model(kTinyTemplate)});
    chats_ = std::make_unique<Chats>(database_, changes_);
    titles_ = std::make_unique<Titles>(database_, generation_, nullptr, changes_);
    ann_.user_id = "ann";
    ann_.caller = "ann";
    ann_.tenant_salt = "salt";
  }
  std::string chat_with(const std::vector<std::string>& messages, const NewChat& wish = {}) {
    const auto chat = chats_->add("ann", wish);
    for (size_t i = 0; i < messages.size(); ++i) {
      EXPECT_TRUE(chats_->add_message(
          "ann", chat->id, {.role = i % 2 == 0 ? "user" : "assistant", .content = messages[i]}));
    }
    return chat->id;
  }
  Result<bool> start(const std::string& chat, const std::string& user = "ann") {
    Identity identity = ann_;
    identity.user_id = user;
    Refusal refusal;
    return titles_->start(identity, "request", chat, refusal);
  }
  void answer(const std::string& text) {
    engine_->send_text(text);
    engine_->send_finished(engine::FinishReason::kEndToken, {.prompt_tokens = 9, .new_tokens = 3});
  }
  std::string title(const std::string& chat) { return chats_->find("ann", chat)->title; }
  // Until it is this one, for 20 seconds at most.
  std::string wait_for_title(const std::string& chat, const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (title(chat) != wanted && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return title(chat);
  }

  store::testing::FreshDatabase store_;
  std::shared_ptr<store::Database> database_;
  std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>();
  std::shared_ptr<GenerationService> generation_;
  std::shared_ptr<Changes> changes_ = std::make_shared<Changes>();
  std::unique_ptr<Chats> chats_;
  std::unique_ptr<Titles> titles_;
  Identity ann_;
};

TEST_F(TitlesTest, TheModelNamesTheChatAndNothingElseIsKept) {
  const std::string chat = chat_with({"what is a maru?", "a hall"});
  EXPECT_EQ(title(chat), "what is a maru?");
  const auto started = start(chat);
  ASSERT_TRUE(started) << started.error().to_string();
  EXPECT_TRUE(*started);
  // The conversation stands first, as the next turn will read it.
  std::string prompt;
  for (const auto id : engine_->requests.back().prompt) prompt += static_cast<char>(id);
  EXPECT_EQ(prompt.find("user:what is a maru?\nassistant:a hall\nuser:Write a title"), 0u);
  EXPECT_EQ(engine_->requests.back().sampling.temperature, 0.0f);
  EXPECT_EQ(engine_->requests.back().tenant_salt, "salt");
  EXPECT_TRUE(*start(chat));  // is being made already
  EXPECT_EQ(engine_->requests.size(), 1u);
  answer("\"Halls of Korea\"");
  EXPECT_EQ(wait_for_title(chat, "Halls of Korea"), "Halls of Korea");
  EXPECT_EQ(chats_->list_messages("ann", chat)->size(), 2u);
  EXPECT_FALSE(*start(chat));  // it has one now
}

TEST_F(TitlesTest, ATitleOfThePersonStays) {
  const std::string named = chat_with({"hi", "ho"}, {.title = "mine"});
  EXPECT_FALSE(*start(named));
  const std::string temporary = chat_with({"hi", "ho"}, {.is_temporary = true});
  EXPECT_FALSE(*start(temporary));
  EXPECT_TRUE(engine_->requests.empty());

  const std::string late = chat_with({"hi", "ho"});
  ASSERT_TRUE(*start(late));
  ASSERT_TRUE(chats_->change("ann", late, {.title = "renamed meanwhile"}));
  answer("Greetings");
  const std::string other = chat_with({"one", "two"});
  ASSERT_TRUE(*start(other));
  answer("Numbers");
  EXPECT_EQ(wait_for_title(other, "Numbers"), "Numbers");
  EXPECT_EQ(title(late), "renamed meanwhile");
}

TEST_F(TitlesTest, WhatCannotBeNamedIsRefused) {
  const std::string chat = chat_with({"only a question"});
  EXPECT_EQ(start(chat).error().code, ErrorCode::kConflict);
  EXPECT_EQ(start("chat_none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(start(chat, "bob").error().code, ErrorCode::kNotFound);
  const std::string named = chat_with({"a question", "an answer"});
  engine_->refusal = {ErrorCode::kRateLimited, "full", ""};
  EXPECT_EQ(start(named).error().code, ErrorCode::kRateLimited);
  engine_->refusal = {};
  EXPECT_TRUE(*start(named));
  titles_.reset();  // gives up what is being made
  EXPECT_FALSE(engine_->wait_for_cancels(1).empty());
  EXPECT_EQ(title(named), "a question");
}

}  // namespace
}  // namespace maru::service
