#include "service/chats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/utf8.h"
#include "service/personal.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ChatsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = store_.open(store::all_migrations());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
    chats_ = std::make_unique<Chats>(database_, changes_, [this] { return ++now_; });
    personal_ = std::make_unique<Personal>(database_, changes_, [this] { return ++now_; });
  }
  Chat chat(const std::string& owner, const NewChat& wish = {}) {
    auto added = chats_->add(owner, wish);
    EXPECT_TRUE(added) << added.error().to_string();
    return *added;
  }
  Message say(const std::string& owner, const std::string& chat_id, const std::string& content,
              const std::string& role = "user") {
    auto added = chats_->add_message(owner, chat_id, {.role = role, .content = content});
    EXPECT_TRUE(added) << added.error().to_string();
    return *added;
  }
  std::vector<std::string> branch(const std::string& owner, const std::string& id) {
    std::vector<std::string> texts;
    const auto messages = chats_->branch(owner, id);
    if (!messages) return texts;
    for (const Message& message : *messages) texts.push_back(message.content);
    return texts;
  }
  std::vector<std::string> found(const std::string& owner, const std::string& query) {
    std::vector<std::string> texts;
    const auto page = chats_->search(owner, query, "", 20);
    EXPECT_TRUE(page) << page.error().to_string();
    for (const FoundMessage& one : page->found) {
      texts.push_back(one.snippet.before + "[" + one.snippet.match + "]" + one.snippet.after);
    }
    return texts;
  }

  store::testing::FreshDatabase store_;
  std::shared_ptr<store::Database> database_;
  std::shared_ptr<Changes> changes_ = std::make_shared<Changes>();
  int64_t now_ = 1'000;
  std::unique_ptr<Chats> chats_;
  std::unique_ptr<Personal> personal_;
};

TEST_F(ChatsTest, MessagesFollowTheLeafAndEditsBranch) {
  const std::string id = chat("ann").id;
  const Message first = say("ann", id, "one");
  const Message second = say("ann", id, "two", "assistant");
  EXPECT_EQ(second.parent_id, first.id);
  const auto edited = chats_->edit_message("ann", first.id, "other");
  ASSERT_TRUE(edited) << edited.error().to_string();
  EXPECT_EQ(edited->parent_id, "");
  EXPECT_EQ(chats_->find("ann", id)->leaf_id, edited->id);
  const Message third = say("ann", id, "three");
  EXPECT_THAT(branch("ann", third.id), ElementsAre("other", "three"));
  EXPECT_THAT(branch("ann", second.id), ElementsAre("one", "two"));
  ASSERT_TRUE(chats_->change("ann", id, {.leaf_id = second.id}));
  ASSERT_TRUE(chats_->remove_message("ann", second.id));
  EXPECT_EQ(chats_->find("ann", id)->leaf_id, first.id);
  EXPECT_EQ(chats_->list_messages("ann", id)->size(), 3u);
}

TEST_F(ChatsTest, TitlesAreWholeCharactersOfTheFirstLine) {
  const std::string id = chat("ann").id;
  std::string line;
  for (int i = 0; i < 80; ++i) line += "글";
  say("ann", id, "\n  " + line + "\nmore");
  const std::string title = chats_->find("ann", id)->title;
  EXPECT_TRUE(utf8_is_valid(title));
  EXPECT_EQ(title, line.substr(0, 180) + "…");
  say("ann", id, "later");
  EXPECT_EQ(chats_->find("ann", id)->title, title);
}

TEST_F(ChatsTest, PagesJoinWithoutGapsOrRepeats) {
  std::vector<std::string> expected, seen;
  for (int i = 0; i < 7; ++i) expected.insert(expected.begin(), chat("ann").id);
  chat("bob");
  chat("ann", {.is_temporary = true});
  ChatQuery query{.limit = 3};
  do {
    const auto page = chats_->list("ann", query);
    ASSERT_TRUE(page);
    for (const Chat& one : page->chats) seen.push_back(one.id);
    query.cursor = page->next;
  } while (!query.cursor.empty());
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(chats_->list("ann", {.cursor = "nonsense"}).error().param, "cursor");
}

TEST_F(ChatsTest, PartsOfWordsAreFoundWithTheirPlace) {
  const std::string id = chat("ann").id;
  say("ann", id, "어제 주간회의록을 썼습니다");
  say("ann", id, "A Report for the board");
  EXPECT_THAT(found("ann", "회의"), ElementsAre("어제 주간[회의]록을 썼습니다"));
  EXPECT_THAT(found("ann", "rep BOARD"), ElementsAre("A [Rep]ort for the board"));
  EXPECT_THAT(found("ann", "port"), IsEmpty());
  EXPECT_THAT(found("bob", "회의"), IsEmpty());
  const std::string temporary = chat("ann", {.is_temporary = true}).id;
  say("ann", temporary, "회의 in secret");
  EXPECT_EQ(found("ann", "회의").size(), 1u);
}

TEST_F(ChatsTest, SearchAmongThousandsFindsWhatReadingThemAllFinds) {
  constexpr size_t kMessages = 3'000, kLimit = 50;
  const std::vector<std::string> words = {"alpha", "alphabet", "beta", "회의록", "주간회의",
                                          "보고",  "gamma",    "9월",  "일정을", "delta"};
  std::vector<std::pair<std::string, std::string>> said;  // owner, content
  const std::string chats[] = {chat("ann").id, chat("bob").id};
  const auto filled = database_->write([&](store::Transaction& t) -> Status {
    uint64_t state = 7;
    const auto next = [&](size_t n) {
      state = state * 6364136223846793005 + 1442695040888963407;
      return static_cast<size_t>(state >> 33) % n;
    };
    for (size_t i = 0; i < kMessages; ++i) {
      const std::string owner = next(3) == 0 ? "bob" : "ann";
      Message message{.id = "msg_" + std::to_string(i), .chat_id = chats[owner == "bob"]};
      message.role = "user";
      // The later words are rarer.
      for (size_t n = 1 + next(4); n > 0; --n) message.content += words[next(1 + next(10))] + " ";
      MARU_ASSIGN_OR_RETURN(const int64_t seq, store::add_message(t, owner, message));
      MARU_RETURN_IF_ERROR(index_content(t, owner, Chat{.user_id = owner}, seq, message.content));
      said.emplace_back(owner, message.content);
    }
    return {};
  });
  ASSERT_TRUE(filled) << filled.error().to_string();
  for (const std::string query : {"alpha", "alphab", "회의", "의록", "delta", "보고", "nothing"}) {
    for (const std::string owner : {"ann", "bob"}) {
      std::vector<std::string> expected, seen;
      for (size_t i = kMessages; i-- > 0;) {
        if (said[i].first == owner && said[i].second.find(query) != std::string::npos) {
          expected.push_back("msg_" + std::to_string(i));
        }
      }
      std::string cursor;
      do {
        const auto page = chats_->search(owner, query, cursor, kLimit);
        ASSERT_TRUE(page) << page.error().to_string();
        for (const FoundMessage& one : page->found) seen.push_back(one.message_id);
        cursor = page->next;
      } while (!cursor.empty());
      EXPECT_EQ(seen, expected) << owner << ": " << query;
      EXPECT_EQ(expected.empty(), query == "nothing");
    }
  }
}

TEST_F(ChatsTest, SearchGoesOnFromItsCursor) {
  const std::string id = chat("ann").id;
  for (int i = 0; i < 5; ++i) say("ann", id, "word " + std::to_string(i));
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const auto page = chats_->search("ann", "word", cursor, 2);
    ASSERT_TRUE(page);
    for (const FoundMessage& one : page->found) seen.push_back(one.snippet.after);
    cursor = page->next;
  } while (!cursor.empty());
  EXPECT_THAT(seen, ElementsAre(" 4", " 3", " 2", " 1", " 0"));
}

TEST_F(ChatsTest, NobodyFindsWhatIsAnothers) {
  const Chat mine = chat("ann");
  const Message message = say("ann", mine.id, "secret");
  const auto folder = chats_->add_folder("ann", "Work");
  ASSERT_TRUE(folder);
  const auto code = [](const auto& result) {
    return result ? ErrorCode::kInternal : result.error().code;
  };
  EXPECT_EQ(code(chats_->find("bob", mine.id)), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->change("bob", mine.id, {.title = "x"})), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->remove("bob", mine.id)), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->add("bob", {.folder_id = folder->id})), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->rename_folder("bob", folder->id, "x")), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->remove_folder("bob", folder->id)), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->add_message("bob", mine.id, {.content = "x"})), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->edit_message("bob", message.id, "x")), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->find_message("bob", message.id)), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->list_messages("bob", mine.id)), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->branch("bob", message.id)), ErrorCode::kNotFound);
  EXPECT_EQ(code(chats_->remove_message("bob", message.id)), ErrorCode::kNotFound);
  // A leaf of another chat is none, even of the same person.
  EXPECT_EQ(code(chats_->change("ann", chat("ann").id, {.leaf_id = message.id})),
            ErrorCode::kNotFound);
  EXPECT_EQ(chats_->find("ann", mine.id)->title, "secret");
}

TEST_F(ChatsTest, ACrashLeavesStoppedAnswersThatAreFound) {
  const std::string id = chat("ann").id;
  const Message question = say("ann", id, "ask");
  ASSERT_TRUE(database_->write([&](store::Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(store::add_message(t, "ann",
                                            {.id = "cut",
                                             .chat_id = id,
                                             .parent_id = question.id,
                                             .role = "assistant",
                                             .content = "half an answer",
                                             .state = "running"}));
    return {};
  }));
  EXPECT_THAT(found("ann", "half"), IsEmpty());
  ASSERT_TRUE(chats_->recover());
  EXPECT_EQ(chats_->find_message("ann", "cut")->state, "stopped");
  EXPECT_THAT(found("ann", "half"), ElementsAre("[half] an answer"));
}

TEST_F(ChatsTest, OpenPagesHearOfChangesOfTheSamePerson) {
  std::vector<std::string> heard;
  auto handle =
      changes_->listen("ann", [&](const Change& change) { heard.push_back(change.what); });
  const std::string id = chat("ann").id;
  chat("bob");
  say("ann", id, "x");
  EXPECT_THAT(heard, ElementsAre("chat", "message"));
  handle.reset();
  say("ann", id, "y");
  EXPECT_EQ(heard.size(), 2u);
}

TEST_F(ChatsTest, LimitsNameTheField) {
  const std::string long_title(kMaxTitleCharacters + 1, 'x');
  EXPECT_EQ(chats_->add("ann", {.title = long_title}).error().param, "title");
  EXPECT_EQ(chats_->add_folder("ann", "").error().param, "name");
  EXPECT_EQ(chats_->add("ann", {.tags = {""}}).error().param, "tags");
  EXPECT_EQ(personal_->add_memory("ann", "").error().param, "content");
  EXPECT_EQ(personal_->add_file("ann", "", "text/plain", "x").error().param, "name");
}

TEST_F(ChatsTest, EverythingGoesWithThePerson) {
  for (const std::string owner : {"ann", "bob"}) {
    const std::string id = chat(owner).id;
    const Message message = say(owner, id, "hello");
    ASSERT_TRUE(personal_->add_file(owner, "a.txt", "text/plain", "bytes"));
    ASSERT_TRUE(personal_->add_feedback(owner, {message.id, "thumb", R"({"thumb":"up"})"}));
    ASSERT_TRUE(personal_->add_memory(owner, "tea"));
    ASSERT_TRUE(personal_->add_share(owner, message.id));
  }
  EXPECT_EQ(personal_->everything("ann")->messages.size(), 1u);
  ASSERT_TRUE(personal_->remove_all("ann"));
  const auto left = personal_->everything("ann");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->chats.size() + left->messages.size() + left->files.size() +
                left->feedback.size() + left->memories.size() + left->shares.size(),
            0u);
  EXPECT_THAT(found("ann", "hello"), IsEmpty());
  EXPECT_EQ(personal_->everything("bob")->shares.size(), 1u);
}

}  // namespace
}  // namespace maru::service
