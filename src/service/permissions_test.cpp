#include "service/permissions.h"

#include <gtest/gtest.h>

#include "service/accounts.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

TEST(Permissions, WithoutRulesAllFeaturesAndNoHost) {
  const Permissions none = permissions_by({});
  EXPECT_TRUE(none.may_use_model("m"));
  EXPECT_TRUE(none.may_use_feature(Feature::kFiles));
  EXPECT_FALSE(none.may_reach("example.org"));
}

TEST(Permissions, RulesOfAKindNarrowThatKindOnly) {
  const Permissions some = permissions_by({{"feature", "chats"}, {"model", "m"}});
  EXPECT_TRUE(some.may_use_feature(Feature::kChats));
  EXPECT_FALSE(some.may_use_feature(Feature::kFiles));
  EXPECT_FALSE(some.may_use_feature(Feature::kCompletions));
  EXPECT_TRUE(some.may_use_feature(Feature::kNone));
  EXPECT_FALSE(some.may_use_model("n"));
  EXPECT_TRUE(permissions_by({{"model", "m"}}).may_use_feature(Feature::kFiles));
}

TEST(Permissions, HostsAreOpenedByNameByEndingOrAll) {
  const Permissions some =
      permissions_by({{"egress", "api.example.org"}, {"egress", "*.Example.net"}});
  for (const char* host : {"api.example.org", "API.example.ORG", "api.example.org.",
                           "a.example.net", "a.b.example.net"}) {
    EXPECT_TRUE(some.may_reach(host)) << host;
  }
  for (const char* host :
       {"example.org", "xapi.example.org", "api.example.org.evil.com", "example.net",
        "evilexample.net", "", ".", "*", "a/.example.net", "a@b.example.net", "a.example.net\n"}) {
    EXPECT_FALSE(some.may_reach(host)) << host;
  }
  EXPECT_TRUE(permissions_by({{"egress", "*"}}).may_reach("10.0.0.1"));
  EXPECT_FALSE(permissions_by({{"egress", "*"}}).may_reach("no host"));
}

TEST(Permissions, ARuleThatCanNeverHoldIsRefused) {
  EXPECT_TRUE(check_rule({"feature", "shares"}));
  EXPECT_EQ(check_rule({"feature", "chat"}).error().param, "name");
  EXPECT_EQ(check_rule({"feature", ""}).error().param, "name");
  for (const char* host : {"*", "*.example.org", "example.org", "[::1]", "10.0.0.1"}) {
    EXPECT_EQ(bool(check_rule({"egress", host})), std::string(host) != "[::1]") << host;
  }
  for (const char* host : {"*.", "a.*", "https://example.org", "example.org/x", "**"}) {
    EXPECT_FALSE(check_rule({"egress", host})) << host;
  }
  EXPECT_EQ(check_rule({"colour", "red"}).error().param, "kind");
}

class EgressTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_database(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    log_ = std::make_shared<AuditLog>(*opened);
  }
  store::testing::FreshDatabase store_;
  std::shared_ptr<AuditLog> log_;
};

TEST_F(EgressTest, EveryAnswerIsRecordedAndNoSecret) {
  Identity who;
  who.user_id = "user_a";
  who.hosts = {"api.example.org"};
  EXPECT_TRUE(allow_egress(*log_, who, "API.example.org", "model"));
  EXPECT_EQ(allow_egress(*log_, who, "example.com", "model").error().code, ErrorCode::kForbidden);
  EXPECT_FALSE(allow_egress(*log_, who, "u:secret@api.example.org", "model"));
  const auto rows = log_->list_before(0, 10);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3U);
  EXPECT_EQ(rows->at(2).entry.action, "egress");
  EXPECT_EQ(rows->at(2).entry.subject, "api.example.org");
  EXPECT_EQ(rows->at(1).entry.action, "egress.refuse");
  EXPECT_EQ(rows->at(0).entry.subject, "?");
  for (const auto& row : *rows) EXPECT_EQ(row.entry.actor, "user_a");
}

TEST_F(EgressTest, WhatCannotBeRecordedDoesNotGoOut) {
  Identity who;
  who.hosts = {"*"};
  ASSERT_TRUE(log_->database()->write([](store::Transaction& transaction) -> Status {
    MARU_RETURN_IF_ERROR(transaction.execute("ALTER TABLE audit RENAME TO gone"));
    return {};
  }));
  EXPECT_FALSE(allow_egress(*log_, who, "example.org", "model"));
}

TEST_F(EgressTest, OneUsersRulesAreThoseOfTheirGroups) {
  Accounts accounts(log_);
  const auto user = accounts.add_user(kLocalActor, {"ann", "", Role::kMember, "", ""});
  const auto group = accounts.add_group(kLocalActor, "g");
  ASSERT_TRUE(user && group);
  ASSERT_TRUE(accounts.add_member(kLocalActor, group->id, user->id));
  ASSERT_TRUE(accounts.add_rule(kLocalActor, group->id, {"egress", "example.org"}));
  ASSERT_TRUE(accounts.add_rule(kLocalActor, group->id, {"feature", "files"}));
  ASSERT_TRUE(log_->database()->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const Permissions hers, permissions_of(transaction, user->id));
    EXPECT_TRUE(hers.may_reach("example.org"));
    EXPECT_FALSE(hers.may_use_feature(Feature::kChats));
    MARU_ASSIGN_OR_RETURN(const Permissions nobodys, permissions_of(transaction, "user_x"));
    EXPECT_FALSE(nobodys.may_reach("example.org"));
    return {};
  }));
}

}  // namespace
}  // namespace maru::service
