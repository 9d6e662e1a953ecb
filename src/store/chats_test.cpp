#include "store/chats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/testing/fresh_store.h"

namespace maru::store {
namespace {

using ::testing::ElementsAre;

class ChatsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = store_.open(all_migrations());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(opened).value();
  }

  // One transaction; its work's result must be a value.
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
  Status add(const Chat& chat) {
    return database_->write([&](Transaction& t) { return add_chat(t, chat); });
  }
  static Chat chat(const std::string& id, const std::string& user, int64_t at) {
    return {.id = id, .user_id = user, .title = "Title " + id, .created_at = at, .updated_at = at};
  }
  std::vector<std::string> listed(const std::string& user, const ChatFilter& filter = {}) {
    std::vector<std::string> ids;
    for (const Chat& c : in([&](Transaction& t) { return list_chats(t, user, filter); }))
      ids.push_back(c.id);
    return ids;
  }

  testing::FreshDatabase store_;
  std::unique_ptr<Database> database_;
};

TEST_F(ChatsTest, KeepsEverythingAboutAChat) {
  ASSERT_TRUE(database_->write([&](Transaction& t) {
    return add_folder(t, {.id = "f1", .user_id = "ann", .name = "Work", .created_at = 1});
  }));
  Chat c = chat("c1", "ann", 5);
  c.folder_id = "f1";
  c.tags = {"b", "a", "a"};
  c.settings = R"({"model":"m"})";
  ASSERT_TRUE(add(c));
  c.title = "회의";
  c.pinned_at = 7;
  c.archived_at = 8;
  c.updated_at = 9;
  c.leaf_id = "x";
  c.tags = {"a", "한글"};
  EXPECT_TRUE(in([&](Transaction& t) { return update_chat(t, c); }));
  const auto found = in([&](Transaction& t) { return find_chat(t, "ann", "c1"); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->title, "회의");
  EXPECT_EQ(found->folder_id, "f1");
  EXPECT_EQ(found->settings, R"({"model":"m"})");
  EXPECT_EQ(found->created_at, 5);
  EXPECT_EQ(found->updated_at, 9);
  EXPECT_EQ(found->pinned_at, 7);
  EXPECT_EQ(found->archived_at, 8);
  EXPECT_EQ(found->leaf_id, "x");
  EXPECT_THAT(found->tags, ElementsAre("a", "한글"));
}

TEST_F(ChatsTest, ListsByTimeInPages) {
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(add(chat("c" + std::to_string(i), "ann", 10 + i / 2)));
  EXPECT_THAT(listed("ann", {.limit = 3}), ElementsAre("c6", "c5", "c4"));
  EXPECT_THAT(listed("ann", {.after = Place{12, "c4"}, .limit = 3}), ElementsAre("c3", "c2", "c1"));
  EXPECT_THAT(listed("ann", {.after = Place{10, "c1"}, .limit = 3}), ElementsAre("c0"));
}

TEST_F(ChatsTest, FiltersByFolderTagAndArchive) {
  ASSERT_TRUE(database_->write([&](Transaction& t) {
    return add_folder(t, {.id = "f", .user_id = "ann", .name = "F", .created_at = 1});
  }));
  Chat in_folder = chat("folder", "ann", 1), tagged = chat("tag", "ann", 2),
       archived = chat("archive", "ann", 3), temporary = chat("temporary", "ann", 4);
  in_folder.folder_id = "f";
  tagged.tags = {"x"};
  archived.archived_at = 3;
  archived.tags = {"x"};
  temporary.is_temporary = true;
  for (const Chat& c : {in_folder, tagged, archived, temporary}) ASSERT_TRUE(add(c));
  EXPECT_THAT(listed("ann"), ElementsAre("tag", "folder"));
  EXPECT_THAT(listed("ann", {.folder_id = "f"}), ElementsAre("folder"));
  EXPECT_THAT(listed("ann", {.tag = "x"}), ElementsAre("tag"));
  EXPECT_THAT(listed("ann", {.archived = true}), ElementsAre("archive"));
  const auto tags = in([&](Transaction& t) { return list_tags(t, "ann"); });
  ASSERT_EQ(tags.size(), 1u);
  EXPECT_EQ(tags[0].n_chats, 2);
  EXPECT_TRUE(in([&](Transaction& t) { return remove_folder(t, "ann", "f"); }));
  EXPECT_THAT(listed("ann"), ElementsAre("tag", "folder"));
}

TEST_F(ChatsTest, NobodyReachesAnothersThings) {
  ASSERT_TRUE(database_->write([&](Transaction& t) {
    return add_folder(t, {.id = "f", .user_id = "ann", .name = "F", .created_at = 1});
  }));
  ASSERT_TRUE(add(chat("c", "ann", 1)));
  EXPECT_FALSE(in([&](Transaction& t) { return find_chat(t, "bob", "c"); }));
  EXPECT_TRUE(listed("bob").empty());
  EXPECT_FALSE(in([&](Transaction& t) { return update_chat(t, chat("c", "bob", 9)); }));
  EXPECT_FALSE(in([&](Transaction& t) { return remove_chat(t, "bob", "c"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return rename_folder(t, "bob", "f", "mine"); }));
  EXPECT_FALSE(in([&](Transaction& t) { return remove_folder(t, "bob", "f"); }));
  EXPECT_TRUE(in([&](Transaction& t) { return list_folders(t, "bob"); }).empty());
  Chat into = chat("c2", "bob", 1);
  into.folder_id = "f";
  const Status status = add(into);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(in([&](Transaction& t) { return find_chat(t, "ann", "c"); }));
}

}  // namespace
}  // namespace maru::store
