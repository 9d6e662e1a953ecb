#include "service/runs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "base/utf8.h"
#include "service/chats.h"
#include "service/test_fakes.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

// A page that reads an answer: its text by the rule of the offsets.
struct Reader {
  std::mutex mutex;
  std::condition_variable changed;
  std::string text, state;
  size_t n_ended = 0;
  bool takes = true;

  RunListener listener() {
    return [this](const RunEvent& event) {
      const std::lock_guard lock(mutex);
      if (event.kind == RunEvent::Kind::kText) {
        EXPECT_LE(event.offset, text.size());
        text.resize(event.offset);
        text += event.text;
      } else {
        EXPECT_EQ(event.offset, text.size());
        state = event.state;
        ++n_ended;
      }
      changed.notify_all();
      return takes;
    };
  }
  bool wait_for_end() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [this] { return n_ended > 0; });
  }
};

class RunsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = store_.open(store::all_migrations());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
    generation_ = std::make_shared<GenerationService>(
        engine_, std::vector<ServedModel>{tiny_model(kTinyTemplate)});
    chats_ = std::make_unique<Chats>(database_, changes_);
    runs_ = std::make_unique<Runs>(database_, generation_, nullptr, changes_);
    ann_.user_id = "ann";
    ann_.caller = "ann";
    ann_.tenant_salt = "salt";
    const auto chat = chats_->add("ann", {});
    ASSERT_TRUE(chat);
    chat_ = chat->id;
    const auto question = chats_->add_message("ann", chat_, {.content = "hi"});
    ASSERT_TRUE(question);
    question_ = question->id;
  }
  Result<Message> start(const ChatSettings& settings = {}) {
    Refusal refusal;
    return runs_->start(ann_, "request", question_, settings, refusal);
  }
  std::string prompt() const {
    std::string text;
    for (const auto id : engine_->requests.back().prompt) text += static_cast<char>(id);
    return text;
  }
  std::shared_ptr<void> follow(const std::string& id, size_t from, Reader& reader) {
    auto handle = runs_->subscribe("ann", id, from, reader.listener());
    EXPECT_TRUE(handle) << handle.error().to_string();
    return *handle;
  }

  store::testing::FreshDatabase store_;
  std::shared_ptr<store::Database> database_;
  std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>();
  std::shared_ptr<GenerationService> generation_;
  std::shared_ptr<Changes> changes_ = std::make_shared<Changes>();
  std::unique_ptr<Chats> chats_;
  std::unique_ptr<Runs> runs_;
  Identity ann_;
  std::string chat_, question_;
};

TEST_F(RunsTest, AnAnswerIsReadFromEveryPlaceAndSaved) {
  const auto message = start();
  ASSERT_TRUE(message) << message.error().to_string();
  EXPECT_EQ(message->state, "running");
  EXPECT_EQ(message->parent_id, question_);
  EXPECT_EQ(chats_->find("ann", chat_)->leaf_id, message->id);
  EXPECT_EQ(prompt(), "user:hi\n");
  EXPECT_EQ(engine_->requests.back().caller, "ann");
  EXPECT_EQ(engine_->requests.back().tenant_salt, "salt");

  const std::string whole = "안녕, hello 세계";
  std::deque<Reader> readers;
  std::vector<std::shared_ptr<void>> handles;
  // One reader comes before each byte, with every byte that was there.
  for (size_t n = 0; n < whole.size(); ++n) {
    Reader& reader = readers.emplace_back();
    reader.text = whole.substr(0, n);
    while (!utf8_is_valid(reader.text)) reader.text.pop_back();
    handles.push_back(follow(message->id, reader.text.size(), reader));
    engine_->send_text(whole.substr(n, 1));
  }
  engine_->send_finished(engine::FinishReason::kEndToken, {.prompt_tokens = 8, .new_tokens = 20});
  for (Reader& reader : readers) {
    ASSERT_TRUE(reader.wait_for_end());
    EXPECT_EQ(reader.text, whole);
    EXPECT_EQ(reader.state, "complete");
    EXPECT_EQ(reader.n_ended, 1u);
  }
  const auto saved = chats_->find_message("ann", message->id);
  EXPECT_EQ(saved->content, whole);
  EXPECT_EQ(saved->state, "complete");
  EXPECT_THAT(saved->extra, ::testing::HasSubstr(R"("completion_tokens":20)"));
  EXPECT_THAT(saved->extra, ::testing::HasSubstr(R"("first_token_ms":)"));
  EXPECT_THAT(saved->extra, ::testing::HasSubstr(R"("total_ms":)"));
  EXPECT_EQ(chats_->search("ann", "세계", "", 5)->found.size(), 1u);

  // After the end, and from places that are none.
  for (const size_t from : {size_t{0}, size_t{1}, size_t{3}, whole.size(), whole.size() + 7}) {
    Reader late;
    late.text = whole.substr(0, from);
    follow(message->id, from, late);
    EXPECT_EQ(late.text, whole) << from;
    EXPECT_EQ(late.state, "complete");
  }
}

TEST_F(RunsTest, WhatRunsIsSavedNowAndThen) {
  const auto message = start();
  ASSERT_TRUE(message);
  engine_->send_text("half");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (chats_->find_message("ann", message->id)->content != "half" &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const auto saved = chats_->find_message("ann", message->id);
  EXPECT_EQ(saved->content, "half");
  EXPECT_EQ(saved->state, "running");
}

TEST_F(RunsTest, StopKeepsWhatWasWritten) {
  const auto message = start();
  ASSERT_TRUE(message);
  Reader reader;
  const auto handle = follow(message->id, 0, reader);
  engine_->send_text("half");
  ASSERT_TRUE(runs_->stop("ann", message->id));
  EXPECT_EQ(engine_->wait_for_cancels(1).size(), 1u);
  engine_->send_finished(engine::FinishReason::kCancelled);
  ASSERT_TRUE(reader.wait_for_end());
  EXPECT_EQ(reader.state, "stopped");
  EXPECT_EQ(chats_->find_message("ann", message->id)->content, "half");
  EXPECT_TRUE(runs_->stop("ann", message->id));
}

TEST_F(RunsTest, AnAnswerThatWasCutGoesOnInItsOwnWords) {
  const auto message = start();
  ASSERT_TRUE(message);
  Refusal refusal;
  const auto go_on = [&] { return runs_->go_on(ann_, "r", message->id, {}, refusal); };
  EXPECT_EQ(go_on().error().code, ErrorCode::kConflict);
  Reader first;
  auto handle = follow(message->id, 0, first);
  engine_->send_text("half, ");
  engine_->send_finished(engine::FinishReason::kLength, {.prompt_tokens = 8, .new_tokens = 6});
  ASSERT_TRUE(first.wait_for_end());
  const auto before = chats_->find_message("ann", message->id);

  engine_->refusal = {ErrorCode::kRateLimited, "full", ""};
  EXPECT_EQ(go_on().error().code, ErrorCode::kRateLimited);
  EXPECT_EQ(chats_->find_message("ann", message->id)->state, "complete");
  EXPECT_EQ(chats_->find_message("ann", message->id)->extra, before->extra);
  engine_->refusal = {};

  const auto going = go_on();
  ASSERT_TRUE(going) << going.error().to_string();
  EXPECT_EQ(going->id, message->id);
  EXPECT_EQ(going->state, "running");
  EXPECT_EQ(prompt(), "user:hi\nhalf, ");
  EXPECT_EQ(go_on().error().code, ErrorCode::kConflict);
  Reader second;
  second.text = first.text;
  handle = follow(message->id, first.text.size(), second);
  engine_->send_text("and whole 그리고");
  engine_->send_finished(engine::FinishReason::kEndToken, {.prompt_tokens = 14, .new_tokens = 9});
  ASSERT_TRUE(second.wait_for_end());
  EXPECT_EQ(second.text, "half, and whole 그리고");
  const auto saved = chats_->find_message("ann", message->id);
  EXPECT_EQ(saved->content, second.text);
  EXPECT_EQ(saved->state, "complete");
  EXPECT_THAT(saved->extra, ::testing::HasSubstr(R"("prompt_tokens":14)"));
  EXPECT_EQ(chats_->search("ann", "half 그리고", "", 5)->found.size(), 1u);
  EXPECT_EQ(chats_->list_messages("ann", chat_)->size(), 2u);

  EXPECT_EQ(go_on().error().param, "message");  // it is whole
  EXPECT_EQ(runs_->go_on(ann_, "r", question_, {}, refusal).error().param, "message");
}

TEST_F(RunsTest, NobodyReachesAnothersRun) {
  const auto message = start();
  ASSERT_TRUE(message);
  Reader reader;
  EXPECT_EQ(runs_->subscribe("bob", message->id, 0, reader.listener()).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(runs_->stop("bob", message->id).error().code, ErrorCode::kNotFound);
  Identity bob;
  bob.user_id = "bob";
  Refusal refusal;
  EXPECT_EQ(runs_->start(bob, "r", question_, {}, refusal).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(runs_->go_on(bob, "r", message->id, {}, refusal).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(engine_->wait_for_cancels(0).empty());
}

TEST_F(RunsTest, AReaderThatIsTooSlowIsDroppedAndMayComeBack) {
  const auto message = start();
  ASSERT_TRUE(message);
  Reader reader;
  auto handle = follow(message->id, 0, reader);
  engine_->send_text("one ");
  reader.takes = false;
  engine_->send_text("t");
  engine_->send_text("wo ");
  EXPECT_EQ(reader.text, "one t");
  reader.takes = true;
  handle = follow(message->id, reader.text.size(), reader);
  EXPECT_EQ(reader.text, "one two ");
  engine_->send_text("three");
  EXPECT_EQ(reader.text, "one two three");
}

TEST_F(RunsTest, SettingsStandInTheirOrder) {
  ASSERT_TRUE(chats_->change(
      "ann", chat_,
      {.settings = ChatSettings{.system = "be brief", .temperature = 0.25, .max_tokens = 7}}));
  ASSERT_TRUE(start({.max_tokens = 5}));
  EXPECT_EQ(engine_->requests.back().max_new_tokens, 5u);
  EXPECT_FLOAT_EQ(engine_->requests.back().sampling.temperature, 0.25f);
  EXPECT_EQ(prompt(), "system:be brief\nuser:hi\n");
  EXPECT_EQ(start({.model = "none"}).error().param, "model");
}

TEST_F(RunsTest, ARefusedAnswerLeavesNoMessage) {
  engine_->refusal = {ErrorCode::kRateLimited, "full", ""};
  EXPECT_EQ(start().error().code, ErrorCode::kRateLimited);
  EXPECT_EQ(chats_->list_messages("ann", chat_)->size(), 1u);
  engine_->refusal = {};
}

TEST_F(RunsTest, TheEndOfTheServerStopsWhatRuns) {
  const auto message = start();
  ASSERT_TRUE(message);
  Reader reader;
  const auto handle = follow(message->id, 0, reader);
  engine_->send_text("half");
  runs_.reset();
  EXPECT_EQ(reader.state, "stopped");
  const auto saved = chats_->find_message("ann", message->id);
  EXPECT_EQ(saved->content, "half");
  EXPECT_EQ(saved->state, "stopped");
}

TEST_F(RunsTest, AnAnswerIsNotAnswered) {
  const auto message = start();
  ASSERT_TRUE(message);
  Refusal refusal;
  EXPECT_EQ(runs_->start(ann_, "r", message->id, {}, refusal).error().code, ErrorCode::kConflict);
  engine_->send_finished(engine::FinishReason::kEndToken);
  Reader reader;
  const auto handle = follow(message->id, 0, reader);
  ASSERT_TRUE(reader.wait_for_end());
  EXPECT_EQ(runs_->start(ann_, "r", message->id, {}, refusal).error().param, "message");
}

}  // namespace
}  // namespace maru::service
