#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/assistants.h"
#include "store/chats.h"
#include "store/feedback.h"
#include "store/files.h"
#include "store/memories.h"
#include "store/message_index.h"
#include "store/messages.h"
#include "store/person_data.h"
#include "store/shares.h"
#include "store/testing/fresh_store.h"

namespace maru::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PersonalThingsTest : public ::testing::Test {
 protected:
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
  void SetUp() override {
    auto opened = store_.open(all_migrations());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(opened).value();
    for (const std::string user : {"ann", "bob"}) {
      const int64_t seq = in([&](Transaction& t) -> Result<int64_t> {
        MARU_RETURN_IF_ERROR(
            add_chat(t, {.id = "chat_" + user, .user_id = user, .title = "T", .updated_at = 5}));
        return add_message(
            t, user,
            {.id = "m_" + user, .chat_id = "chat_" + user, .role = "user", .content = "hello"});
      });
      const std::vector<std::string> words{"hello"};
      run([&](Transaction& t) { return index_message(t, user, seq, words); });
    }
  }
  template <class Work>
  void run(const Work& work) {
    const Status status = database_->write(work);
    EXPECT_TRUE(status) << status.error().to_string();
  }
  template <class Work>
  ErrorCode error_of(const Work& work) {
    const Status status = database_->write(work);
    return status ? ErrorCode::kInternal : status.error().code;
  }

  testing::FreshDatabase store_;
  std::unique_ptr<Database> database_;
};

TEST_F(PersonalThingsTest, FilesKeepBytesForTheirOwner) {
  const std::string bytes("\0\xff text\0", 8);
  run([&](Transaction& t) {
    return add_file(t, {.id = "f", .user_id = "ann", .name = "a.bin", .size = 8}, bytes);
  });
  EXPECT_EQ(in([&](Transaction& t) { return read_file(t, "ann", "f"); }), bytes);
  EXPECT_EQ(in([&](Transaction& t) { return find_file(t, "ann", "f"); })->name, "a.bin");
  EXPECT_EQ(in([&](Transaction& t) { return bytes_of_files(t, "ann"); }), 8);
  EXPECT_FALSE(in([&](Transaction& t) { return read_file(t, "bob", "f"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return find_file(t, "bob", "f"); }));
  EXPECT_THAT(in([&](Transaction& t) { return list_files(t, "bob"); }), IsEmpty());
  EXPECT_FALSE(in([&](Transaction& t) { return remove_file(t, "bob", "f"); }));
  EXPECT_TRUE(in([&](Transaction& t) { return remove_file(t, "ann", "f"); }));
  EXPECT_EQ(in([&](Transaction& t) { return bytes_of_files(t, "ann"); }), 0);
}

TEST_F(PersonalThingsTest, AThumbTakesTheOldOnesPlace) {
  const auto give = [&](const std::string& id, const std::string& kind, const std::string& detail) {
    run([&](Transaction& t) {
      return add_feedback(t, {.id = id,
                              .user_id = "ann",
                              .message_id = "m_ann",
                              .kind = kind,
                              .detail = detail,
                              .created_at = 1});
    });
  };
  give("1", "thumb", "up");
  give("2", "edit", "text");
  give("3", "thumb", "down");
  std::vector<std::string> details;
  for (const Feedback& f : in([&](Transaction& t) { return list_feedback(t, "ann", "m_ann"); }))
    details.push_back(f.detail);
  EXPECT_THAT(details, ElementsAre("text", "down"));
  EXPECT_THAT(in([&](Transaction& t) { return list_feedback(t, "bob", ""); }), IsEmpty());
  EXPECT_FALSE(in([&](Transaction& t) { return remove_feedback(t, "bob", "2"); }));
  EXPECT_EQ(error_of([&](Transaction& t) {
              return add_feedback(
                  t, {.id = "4", .user_id = "bob", .message_id = "m_ann", .kind = "thumb"});
            }),
            ErrorCode::kNotFound);
}

TEST_F(PersonalThingsTest, AssistantsAreSharedWithAGroupAndChangedByTheirOwner) {
  run([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(add_assistant(t, {.id = "p", .user_id = "ann", .name = "Private"}));
    return add_assistant(t, {.id = "s", .user_id = "ann", .group_id = "g", .name = "Shared"});
  });
  const auto names = [&](const std::string& user, std::vector<std::string> groups) {
    std::vector<std::string> list;
    for (const auto& a : in([&](Transaction& t) { return list_assistants(t, user, groups); }))
      list.push_back(a.name);
    return list;
  };
  EXPECT_THAT(names("ann", {}), ElementsAre("Private", "Shared"));
  EXPECT_THAT(names("bob", {}), IsEmpty());
  EXPECT_THAT(names("bob", {"x", "g"}), ElementsAre("Shared"));
  const std::vector<std::string> groups{"g"};
  EXPECT_TRUE(in([&](Transaction& t) { return find_assistant(t, "bob", groups, "s"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return find_assistant(t, "bob", groups, "p"); }));
  EXPECT_FALSE(
      in([&](Transaction& t) { return update_assistant(t, {.id = "s", .user_id = "bob"}); }));
  EXPECT_FALSE(in([&](Transaction& t) { return remove_assistant(t, "bob", "s"); }));
  EXPECT_TRUE(in([&](Transaction& t) {
    return update_assistant(t, {.id = "s", .user_id = "ann", .name = "Mine again"});
  }));
  EXPECT_THAT(names("bob", {"g"}), IsEmpty());
}

TEST_F(PersonalThingsTest, MemoriesAndPreferencesAreTheirOwners) {
  run([&](Transaction& t) {
    return add_memory(t, {.id = "m", .user_id = "ann", .content = "drinks tea"});
  });
  EXPECT_FALSE(in([&](Transaction& t) {
    return update_memory(t, {.id = "m", .user_id = "bob", .content = "x"});
  }));
  EXPECT_THAT(in([&](Transaction& t) { return list_memories(t, "bob"); }), IsEmpty());
  EXPECT_FALSE(in([&](Transaction& t) { return remove_memory(t, "bob", "m"); }));
  EXPECT_EQ(in([&](Transaction& t) { return list_memories(t, "ann"); })[0].content, "drinks tea");
  EXPECT_EQ(in([&](Transaction& t) { return read_preferences(t, "ann"); }), "{}");
  for (const char* content : {R"({"a":1})", R"({"a":2})"}) {
    run([&](Transaction& t) { return write_preferences(t, "ann", content); });
    EXPECT_EQ(in([&](Transaction& t) { return read_preferences(t, "ann"); }), content);
  }
  EXPECT_EQ(in([&](Transaction& t) { return read_preferences(t, "bob"); }), "{}");
}

TEST_F(PersonalThingsTest, SharesAreReadByTheirTokenUntilRevoked) {
  run([&](Transaction& t) {
    return add_share(t, {.id = "s", .user_id = "ann", .message_id = "m_ann", .token = "secret"});
  });
  EXPECT_EQ(in([&](Transaction& t) { return read_share(t, "secret"); })->message_id, "m_ann");
  EXPECT_FALSE(in([&](Transaction& t) { return read_share(t, "other"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return remove_share(t, "bob", "s"); }));
  EXPECT_THAT(in([&](Transaction& t) { return list_shares(t, "bob"); }), IsEmpty());
  EXPECT_EQ(error_of([&](Transaction& t) {
              return add_share(t, {.id = "b", .user_id = "bob", .message_id = "m_ann"});
            }),
            ErrorCode::kNotFound);
  EXPECT_TRUE(in([&](Transaction& t) { return remove_share(t, "ann", "s"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return read_share(t, "secret"); }));
}

TEST_F(PersonalThingsTest, EverythingOfAPersonGoesAndOthersStay) {
  for (const std::string user : {"ann", "bob"}) {
    run([&](Transaction& t) -> Status {
      const std::string message = "m_" + user;
      MARU_RETURN_IF_ERROR(add_folder(t, {.id = "fo" + user, .user_id = user}));
      MARU_RETURN_IF_ERROR(add_file(t, {.id = "fi" + user, .user_id = user}, "x"));
      MARU_RETURN_IF_ERROR(add_feedback(
          t, {.id = "fb" + user, .user_id = user, .message_id = message, .kind = "edit"}));
      MARU_RETURN_IF_ERROR(add_assistant(t, {.id = "as" + user, .user_id = user}));
      MARU_RETURN_IF_ERROR(add_memory(t, {.id = "me" + user, .user_id = user}));
      MARU_RETURN_IF_ERROR(
          add_share(t, {.id = "sh" + user, .user_id = user, .message_id = message, .token = user}));
      return write_preferences(t, user, "{}");
    });
  }
  run([&](Transaction& t) { return remove_person_data(t, "ann"); });
  for (const std::string table : {"chats", "messages", "message_words", "folders", "files",
                                  "feedback", "assistants", "memories", "shares", "preferences"}) {
    const auto rows = in([&](Transaction& t) { return t.query("SELECT count(*) FROM " + table); });
    EXPECT_EQ(rows.at(0).integer(0), 1) << table;
  }
  EXPECT_EQ(in([&](Transaction& t) { return list_every_chat(t, "bob"); }).size(), 1u);
}

TEST_F(PersonalThingsTest, OldTemporaryChatsGo) {
  for (const auto& [id, at] : {std::pair("old", 3), std::pair("new", 7)}) {
    run([&](Transaction& t) {
      return add_chat(
          t, {.id = id, .user_id = "ann", .title = "T", .updated_at = at, .is_temporary = true});
    });
  }
  EXPECT_EQ(in([&](Transaction& t) { return remove_temporary_chats(t, 7); }), 1);
  EXPECT_FALSE(in([&](Transaction& t) { return find_chat(t, "ann", "old"); }));
  EXPECT_TRUE(in([&](Transaction& t) { return find_chat(t, "ann", "new"); }));
  EXPECT_TRUE(in([&](Transaction& t) { return find_chat(t, "ann", "chat_ann"); }));
}

}  // namespace
}  // namespace maru::store
