// The tables of people, groups, projects, keys and sessions: what is found, and above all what is
// not found by those it does not belong to.
#include <gtest/gtest.h>

#include "base/testing/test_folder.h"
#include "store/groups.h"
#include "store/keys.h"
#include "store/projects.h"
#include "store/sessions.h"
#include "store/testing/fresh_store.h"
#include "store/users.h"

namespace maru::store {
namespace {

class AccountTables : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
    write([](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(add_user(t, {"user_a", "ann", "Ann", "admin", "hash", "en", 1, {}}));
      return add_user(t, {"user_b", "bob", "Bob", "member", "", "ko", 2, {}});
    });
  }
  void write(const std::function<Status(Transaction&)>& work) {
    const Status status = database_->write(work);
    ASSERT_TRUE(status) << status.error().to_string();
  }
  template <class T>
  T read(const std::function<Result<T>(Transaction&)>& ask) {
    T value{};
    const Status status = database_->read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(value, ask(t));
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return value;
  }

  testing::FreshDatabase store_;
  std::unique_ptr<Database> database_;
};

TEST_F(AccountTables, UsersAreFoundByIdAndName) {
  const auto ann = read<std::optional<User>>([](auto& t) { return find_user_by_name(t, "ann"); });
  ASSERT_TRUE(ann);
  EXPECT_EQ(ann->id, "user_a");
  EXPECT_EQ(ann->password_hash, "hash");
  EXPECT_FALSE(ann->disabled_at);
  EXPECT_FALSE(read<std::optional<User>>([](auto& t) { return find_user(t, "user_x"); }));
  EXPECT_EQ(read<std::vector<User>>([](auto& t) { return list_users(t); }).size(), 2u);
  EXPECT_EQ(read<int64_t>([](auto& t) { return count_admins(t); }), 1);
  User changed = *ann;
  changed.disabled_at = 7;
  changed.password_hash.clear();
  write([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool found, update_user(t, changed));
    EXPECT_TRUE(found);
    return {};
  });
  EXPECT_EQ(read<int64_t>([](auto& t) { return count_admins(t); }), 0);
  EXPECT_EQ(read<std::optional<User>>([](auto& t) { return find_user(t, "user_a"); })->disabled_at,
            7);
}

TEST_F(AccountTables, NamesAreUniqueAndTheErrorNamesTheColumn) {
  const Status status = database_->write([](Transaction& t) {
    return add_user(t, {"user_c", "ann", "Other", "member", "", "", 3, {}});
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kConflict);
  EXPECT_EQ(conflict_column(status.error()), "users.name");
}

TEST_F(AccountTables, RulesComeFromEveryGroupOfAPerson) {
  write([](Transaction& t) -> Status {
    for (const char* id : {"grp_1", "grp_2", "grp_3"}) {
      MARU_RETURN_IF_ERROR(add_group(t, {id, std::string("group ") + id, 1}));
    }
    MARU_RETURN_IF_ERROR(add_member(t, "grp_1", "user_b"));
    MARU_RETURN_IF_ERROR(add_member(t, "grp_1", "user_b"));
    MARU_RETURN_IF_ERROR(add_member(t, "grp_2", "user_b"));
    MARU_RETURN_IF_ERROR(add_rule(t, "grp_1", {"model", "small"}));
    MARU_RETURN_IF_ERROR(add_rule(t, "grp_2", {"model", "small"}));
    MARU_RETURN_IF_ERROR(add_rule(t, "grp_2", {"model", "large"}));
    return add_rule(t, "grp_3", {"model", "secret"});
  });
  EXPECT_EQ(read<std::vector<Rule>>([](auto& t) { return rules_of(t, "user_b"); }),
            (std::vector<Rule>{{"model", "large"}, {"model", "small"}}));
  EXPECT_TRUE(read<std::vector<Rule>>([](auto& t) { return rules_of(t, "user_a"); }).empty());
  EXPECT_EQ(read<std::vector<std::string>>([](auto& t) { return group_ids_of(t, "user_b"); }),
            (std::vector<std::string>{"grp_1", "grp_2"}));
  write([](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool removed, remove_group(t, "grp_2"));
    EXPECT_TRUE(removed);
    return {};
  });
  EXPECT_EQ(read<std::vector<Rule>>([](auto& t) { return rules_of(t, "user_b"); }),
            (std::vector<Rule>{{"model", "small"}}));
}

TEST_F(AccountTables, KeysOfOthersAreNotFound) {
  write([](Transaction& t) {
    return add_key(
        t, {"key_1", "user_a", "", "laptop", "maru-abc", "hash1", "inference", 5, {}, {}, {}});
  });
  const auto own = [](std::string_view user) {
    return [user](Transaction& t) { return find_key_of(t, user, "key_1"); };
  };
  EXPECT_TRUE(read<std::optional<ApiKey>>(own("user_a")));
  EXPECT_FALSE(read<std::optional<ApiKey>>(own("user_b")));
  EXPECT_TRUE(read<std::vector<ApiKey>>([](auto& t) { return list_keys_of(t, "user_b"); }).empty());
  EXPECT_TRUE(read<std::optional<ApiKey>>([](auto& t) { return find_key_by_hash(t, "hash1"); }));
  write([](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool first, revoke_key(t, "key_1", 9));
    MARU_ASSIGN_OR_RETURN(const bool second, revoke_key(t, "key_1", 10));
    EXPECT_TRUE(first);
    EXPECT_FALSE(second);
    return touch_key(t, "key_1", 11);
  });
  const auto key = read<std::optional<ApiKey>>(own("user_a"));
  EXPECT_EQ(key->revoked_at, 9);
  EXPECT_EQ(key->last_used_at, 11);
}

TEST_F(AccountTables, SessionsOfOthersCannotBeEnded) {
  write([](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(
        add_session(t, {"sess_1", "user_a", "h1", 1, 1, 100, "127.0.0.1", "browser"}));
    return add_session(t, {"sess_2", "user_a", "h2", 1, 2, 100, "127.0.0.1", "phone"});
  });
  write([](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool ended, end_session_of(t, "user_b", "sess_1"));
    EXPECT_FALSE(ended);
    MARU_ASSIGN_OR_RETURN(const int64_t n, end_sessions_of(t, "user_b", ""));
    EXPECT_EQ(n, 0);
    MARU_ASSIGN_OR_RETURN(const int64_t own, end_sessions_of(t, "user_a", "sess_2"));
    EXPECT_EQ(own, 1);
    return {};
  });
  EXPECT_FALSE(read<std::optional<Session>>([](auto& t) { return find_session_by_hash(t, "h1"); }));
  EXPECT_TRUE(read<std::optional<Session>>([](auto& t) { return find_session_by_hash(t, "h2"); }));
  write([](Transaction& t) { return remove_expired_sessions(t, 100); });
  EXPECT_FALSE(read<std::optional<Session>>([](auto& t) { return find_session(t, "sess_2"); }));
}

TEST_F(AccountTables, ALoginLinkWorksOnce) {
  write([](Transaction& t) { return add_login_link(t, {"old", "", "first_admin", 100}); });
  write([](Transaction& t) { return add_login_link(t, {"new", "", "first_admin", 100}); });
  write([](Transaction& t) -> Status {
    const auto use = [&](const char* hash, const char* purpose, int64_t now) {
      const auto used = use_login_link(t, hash, purpose, now);
      return used && *used;
    };
    EXPECT_FALSE(use("old", "first_admin", 1));  // the newer one replaced it
    EXPECT_FALSE(use("new", "other", 1));
    EXPECT_FALSE(use("new", "first_admin", 100));
    EXPECT_TRUE(use("new", "first_admin", 99));
    EXPECT_FALSE(use("new", "first_admin", 99));
    return {};
  });
}

TEST_F(AccountTables, ProjectsBelongToGroups) {
  write([](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(add_group(t, {"grp_1", "research", 1}));
    MARU_RETURN_IF_ERROR(add_member(t, "grp_1", "user_a"));
    MARU_RETURN_IF_ERROR(add_project(t, {"proj_1", "alpha", "grp_1", 1, {}}));
    MARU_RETURN_IF_ERROR(add_project(t, {"proj_2", "open", "", 1, {}}));
    return add_project(t, {"proj_3", "past", "", 1, 5});
  });
  const auto finds = [&](const char* user, const char* project) {
    return read<std::optional<Project>>(
               [&](Transaction& t) { return find_project_of(t, user, project); })
        .has_value();
  };
  EXPECT_TRUE(finds("user_a", "proj_1"));
  EXPECT_FALSE(finds("user_b", "proj_1"));
  EXPECT_TRUE(finds("user_b", "proj_2"));
  EXPECT_FALSE(finds("user_a", "proj_3"));
  const auto names = [&](const char* user) {
    std::string text;
    for (const Project& project :
         read<std::vector<Project>>([&](Transaction& t) { return list_projects_of(t, user); })) {
      text += project.name + " ";
    }
    return text;
  };
  EXPECT_EQ(names("user_a"), "alpha open ");
  EXPECT_EQ(names("user_b"), "open ");
}

}  // namespace
}  // namespace maru::store
