#include "store/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/chats.h"
#include "store/message_index.h"
#include "store/testing/fresh_store.h"

namespace maru::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MessagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = store_.open(all_migrations());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(opened).value();
    for (const auto* user : {"ann", "bob"}) {
      ASSERT_TRUE(database_->write([&](Transaction& t) {
        return add_chat(t, {.id = std::string("chat_") + user, .user_id = user, .title = "T"});
      }));
    }
  }

  template <class Work>
  auto in(const Work& work) {
    typename std::invoke_result_t<Work, Transaction&>::value_type value{};
    const Status status = database_->write([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(value, work(t));
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return value;
  }
  // Adds a message to the user's chat and indexes its words, given with spaces between them.
  int64_t say(const std::string& user, const std::string& id, const std::string& parent,
              const std::string& words = "") {
    const int64_t seq = in([&](Transaction& t) {
      return add_message(t, user,
                         {.id = id,
                          .chat_id = "chat_" + user,
                          .parent_id = parent,
                          .role = "user",
                          .content = words,
                          .created_at = 1});
    });
    std::vector<std::string> list;
    for (size_t at = 0; at < words.size();) {
      const size_t end = std::min(words.find(' ', at), words.size());
      list.push_back(words.substr(at, end - at));
      at = end + 1;
    }
    EXPECT_TRUE(
        database_->write([&](Transaction& t) { return index_message(t, user, seq, list); }));
    return seq;
  }
  std::vector<std::string> branch(const std::string& user, const std::string& id) {
    std::vector<std::string> ids;
    for (const Message& m : in([&](Transaction& t) { return branch_of(t, user, id); }))
      ids.push_back(m.id);
    return ids;
  }
  std::vector<std::string> search(const std::string& user, std::vector<SearchedWords> terms,
                                  int64_t before = 0, size_t limit = 10) {
    std::vector<std::string> ids;
    for (const SearchHit& hit :
         in([&](Transaction& t) { return search_messages(t, user, terms, before, limit); }))
      ids.push_back(hit.message_id);
    return ids;
  }

  testing::FreshDatabase store_;
  std::unique_ptr<Database> database_;
};

TEST_F(MessagesTest, FormATree) {
  say("ann", "1", "");
  say("ann", "2", "1");
  say("ann", "2b", "1");
  say("ann", "3", "2b");
  EXPECT_THAT(branch("ann", "3"), ElementsAre("1", "2b", "3"));
  EXPECT_THAT(branch("ann", "2"), ElementsAre("1", "2"));
  EXPECT_EQ(in([&](Transaction& t) { return list_messages(t, "ann", "chat_ann"); }).size(), 4u);
  EXPECT_TRUE(in([&](Transaction& t) { return remove_message(t, "ann", "2b"); }));
  EXPECT_THAT(branch("ann", "3"), IsEmpty());
  EXPECT_THAT(branch("ann", "2"), ElementsAre("1", "2"));
}

TEST_F(MessagesTest, LongBranchesGoAtOnce) {
  constexpr int kLength = 3000;
  const auto grow = [&](const std::string& from) {
    EXPECT_TRUE(database_->write([&](Transaction& t) -> Status {
      std::string parent;
      for (int i = 0; i < kLength; ++i) {
        const std::string id = from + std::to_string(i);
        MARU_RETURN_IF_ERROR(add_message(
            t, "ann", {.id = id, .chat_id = "chat_ann", .parent_id = parent, .role = "user"}));
        parent = id;
      }
      return {};
    }));
  };
  grow("a");
  grow("b");
  EXPECT_EQ(branch("ann", "a2999").size(), 3000u);
  EXPECT_TRUE(in([&](Transaction& t) { return remove_message(t, "ann", "a0"); }));
  EXPECT_THAT(branch("ann", "a2999"), IsEmpty());
  EXPECT_EQ(branch("ann", "b2999").size(), 3000u);
  EXPECT_TRUE(in([&](Transaction& t) { return remove_chat(t, "ann", "chat_ann"); }));
  EXPECT_THAT(in([&](Transaction& t) { return t.query("SELECT * FROM messages"); }), IsEmpty());
}

TEST_F(MessagesTest, ChangeAndStop) {
  const int64_t seq = say("ann", "1", "");
  Message m = *in([&](Transaction& t) { return find_message(t, "ann", "1"); });
  EXPECT_EQ(m.seq, seq);
  m.content = "half an answ";
  m.extra = R"({"usage":{}})";
  m.model = "maru";
  m.state = "running";
  EXPECT_TRUE(in([&](Transaction& t) { return update_message(t, "ann", m); }));
  const auto stopped = in([&](Transaction& t) { return stop_running_messages(t); });
  ASSERT_EQ(stopped.size(), 1u);
  EXPECT_EQ(stopped[0].user_id, "ann");
  EXPECT_EQ(stopped[0].message.content, "half an answ");
  const Message after = *in([&](Transaction& t) { return find_message(t, "ann", "1"); });
  EXPECT_EQ(after.state, "stopped");
  EXPECT_EQ(after.content, "half an answ");
  EXPECT_EQ(after.extra, R"({"usage":{}})");
}

TEST_F(MessagesTest, NobodyReachesAnothersMessages) {
  say("ann", "1", "", "secret");
  EXPECT_FALSE(in([&](Transaction& t) { return find_message(t, "bob", "1"); }));
  EXPECT_THAT(in([&](Transaction& t) { return list_messages(t, "bob", "chat_ann"); }), IsEmpty());
  EXPECT_THAT(branch("bob", "1"), IsEmpty());
  EXPECT_FALSE(in([&](Transaction& t) { return remove_message(t, "bob", "1"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return update_message(t, "bob", {.id = "1"}); }));
  EXPECT_THAT(search("bob", {{{"secret"}}}), IsEmpty());
  // Neither into another's chat, nor behind another's message.
  for (const auto& [chat, parent] : {std::pair("chat_ann", ""), std::pair("chat_bob", "1")}) {
    const Status status = database_->write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(
          add_message(t, "bob", {.id = "x", .chat_id = chat, .parent_id = parent, .role = "user"}));
      return {};
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  }
}

TEST_F(MessagesTest, AreFoundByTheirWords) {
  say("ann", "1", "", "주간 간 회의 의록 록 and report");
  const int64_t second = say("ann", "2", "1", "회의 의 or");
  say("bob", "3", "", "회의 의");
  EXPECT_THAT(search("ann", {{{"회의"}}}), ElementsAre("2", "1"));
  EXPECT_THAT(search("ann", {{{"회의"}}}, second), ElementsAre("1"));
  EXPECT_THAT(search("ann", {{{"회의"}}}, 0, 1), ElementsAre("2"));
  EXPECT_THAT(search("ann", {{{"회의", "의록"}}}), ElementsAre("1"));
  EXPECT_THAT(search("ann", {{{"의록", "회의"}}}), IsEmpty());
  EXPECT_THAT(search("ann", {{{"rep"}, true}}), ElementsAre("1"));
  EXPECT_THAT(search("ann", {{{"rep"}, false}}), IsEmpty());
  EXPECT_THAT(search("ann", {{{"회의"}}, {{"report"}}}), ElementsAre("1"));
  EXPECT_THAT(search("ann", {{{"or"}}}), ElementsAre("2"));  // a word, no operator
  EXPECT_THAT(search("ann", {{{"and"}}}), ElementsAre("1"));
  EXPECT_THAT(search("ann", {}), IsEmpty());
  EXPECT_THAT(search("bob", {{{"회의"}}}), ElementsAre("3"));
}

TEST_F(MessagesTest, TheIndexFollowsChanges) {
  const int64_t seq = say("ann", "1", "", "before");
  const std::vector<std::string> words{"after"};
  ASSERT_TRUE(
      database_->write([&](Transaction& t) { return index_message(t, "ann", seq, words); }));
  EXPECT_THAT(search("ann", {{{"before"}}}), IsEmpty());
  EXPECT_THAT(search("ann", {{{"after"}}}), ElementsAre("1"));
  EXPECT_TRUE(in([&](Transaction& t) { return remove_chat(t, "ann", "chat_ann"); }));
  const auto rows = in([&](Transaction& t) { return t.query("SELECT * FROM message_words"); });
  EXPECT_THAT(rows, IsEmpty());
}

}  // namespace
}  // namespace maru::store
