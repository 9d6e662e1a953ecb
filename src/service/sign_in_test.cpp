#include "service/sign_in.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/random.h"
#include "base/testing/test_folder.h"
#include "service/passwords.h"
#include "store/testing/fresh_store.h"

namespace maru::service {
namespace {

constexpr const char* kPassword = "correct horse battery";

class SignInTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_database(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = *opened;
    log_ = std::make_shared<AuditLog>(database_);
    accounts_ = std::make_shared<Accounts>(log_, [this] { return now_.load(); });
  }
  void start(SignInOptions options = {}) {
    sign_in_ =
        std::make_unique<SignIn>(database_, accounts_, options, [this] { return now_.load(); });
  }
  User add_user(const std::string& name, Role role = Role::kMember, const char* password = "") {
    auto user = accounts_->add_user(kLocalActor, {name, "", role, password, ""});
    EXPECT_TRUE(user) << user.error().to_string();
    return *user;
  }
  NewKey add_key(const User& user, Scopes scopes = {Scope::kInference},
                 std::optional<int64_t> expires_at = {}) {
    auto key = accounts_->add_key_for(kLocalActor, user.id, {"k", scopes, "", expires_at});
    EXPECT_TRUE(key) << key.error().to_string();
    return *key;
  }
  Result<Identity> with_key(const std::string& key) {
    Credential credential;
    credential.key = key;
    return sign_in_->identify(credential);
  }
  Result<Identity> with_session(const std::string& token, const std::string& csrf = "",
                                bool changes = false) {
    Credential credential;
    credential.session_token = token;
    credential.csrf_token = csrf;
    credential.changes = changes;
    return sign_in_->identify(credential);
  }
  Result<Login> log_in(const std::string& name, const std::string& password) {
    return sign_in_->log_in({name, password, "10.0.0.1", "browser"});
  }

  store::testing::FreshDatabase store_;
  std::atomic<int64_t> now_ = 1'000'000;
  std::shared_ptr<store::Database> database_;
  std::shared_ptr<AuditLog> log_;
  std::shared_ptr<Accounts> accounts_;
  std::unique_ptr<SignIn> sign_in_;
};

TEST_F(SignInTest, LoopbackIsOpenUntilThereIsAnAccount) {
  start();
  const auto anybody = with_key("anything");
  ASSERT_TRUE(anybody);
  EXPECT_TRUE(anybody->is_anonymous());
  add_user("ann");  // as another program would, at the terminal
  EXPECT_FALSE(with_key("anything"));
  EXPECT_FALSE(*sign_in_->is_open());
}

TEST_F(SignInTest, BeyondLoopbackNobodyIsLetInWithoutACredential) {
  start({.is_loopback = false, .static_keys = {"from-the-settings"}});
  EXPECT_EQ(with_key("").error().code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(with_key("wrong").error().code, ErrorCode::kUnauthenticated);
  const auto member = with_key("from-the-settings");
  ASSERT_TRUE(member);
  EXPECT_FALSE(member->is_person());
  EXPECT_FALSE(member->is_anonymous());
  EXPECT_EQ(member->role, Role::kMember);
  EXPECT_FALSE(member->scopes.has(Scope::kAdmin));
}

TEST_F(SignInTest, AKeyIsItsOwnersWithItsScopes) {
  start();
  const User ann = add_user("ann", Role::kAdmin);
  const NewKey key = add_key(ann, {Scope::kInference, Scope::kUsage});
  EXPECT_EQ(key.secret.size(), 48u);
  EXPECT_TRUE(key.secret.starts_with("maru-"));
  EXPECT_TRUE(key.secret.starts_with(key.key.prefix));
  const auto identity = with_key(key.secret);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->user_id, ann.id);
  EXPECT_EQ(identity->key_id, key.key.id);
  EXPECT_EQ(identity->role, Role::kAdmin);
  EXPECT_EQ(identity->scopes, (Scopes{Scope::kInference, Scope::kUsage}));
  EXPECT_EQ(identity->caller, ann.id);
  EXPECT_EQ(identity->tenant_salt, ann.id);
  EXPECT_FALSE(with_key(key.secret.substr(0, 47)));
}

TEST_F(SignInTest, RevokedExpiredAndDisabledAreTold) {
  start();
  const User ann = add_user("ann");
  const NewKey expiring = add_key(ann, {Scope::kInference}, now_ + 10);
  const NewKey key = add_key(ann);
  EXPECT_TRUE(with_key(expiring.secret));
  now_ += 10;
  EXPECT_EQ(with_key(expiring.secret).error().message, "the API key has expired");
  const auto rotated = accounts_->rotate_any_key(kLocalActor, key.key.id);
  ASSERT_TRUE(rotated);
  EXPECT_EQ(with_key(key.secret).error().message, "the API key was revoked");
  EXPECT_TRUE(with_key(rotated->secret));
  EXPECT_TRUE(accounts_->change_user(kLocalActor, ann.id, {.disabled = true}).error().code ==
              ErrorCode::kConflict);  // there is no admin at all
  add_user("root", Role::kAdmin);
  ASSERT_TRUE(accounts_->change_user(kLocalActor, ann.id, {.disabled = true}));
  EXPECT_EQ(with_key(rotated->secret).error().message, "the account is disabled");
}

TEST_F(SignInTest, OthersKeysAreNotFound) {
  start();
  const User ann = add_user("ann"), bob = add_user("bob");
  const NewKey key = add_key(ann);
  EXPECT_EQ(accounts_->revoke_key(bob.id, bob.id, key.key.id).error().code, ErrorCode::kNotFound);
  Identity as_bob;
  as_bob.user_id = bob.id;
  as_bob.scopes = Scopes::all();
  EXPECT_EQ(accounts_->rotate_key(as_bob, key.key.id).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(with_key(key.secret));
}

TEST_F(SignInTest, AKeyCannotMakeAStrongerOne) {
  start();
  const User ann = add_user("ann", Role::kAdmin);
  const auto maker = with_key(add_key(ann, {Scope::kAccount}).secret);
  ASSERT_TRUE(maker);
  EXPECT_EQ(accounts_->add_key(*maker, {"x", {Scope::kAdmin}, "", {}}).error().code,
            ErrorCode::kForbidden);
  const NewKey strong = add_key(ann, {Scope::kAdmin});
  EXPECT_EQ(accounts_->rotate_key(*maker, strong.key.id).error().code, ErrorCode::kForbidden);
  EXPECT_TRUE(accounts_->add_key(*maker, {"x", {Scope::kAccount}, "", {}}));
}

TEST_F(SignInTest, RulesOfGroupsBoundTheModels) {
  start();
  const User ann = add_user("ann"), bob = add_user("bob");
  const NewKey of_ann = add_key(ann), of_bob = add_key(bob);
  const auto group = accounts_->add_group(kLocalActor, "research");
  ASSERT_TRUE(accounts_->add_member(kLocalActor, group->id, ann.id));
  EXPECT_TRUE(with_key(of_ann.secret)->may_use_model("large"));
  ASSERT_TRUE(accounts_->add_rule(kLocalActor, group->id, {"model", "small"}));
  EXPECT_FALSE(with_key(of_ann.secret)->may_use_model("large"));
  EXPECT_TRUE(with_key(of_ann.secret)->may_use_model("small"));
  EXPECT_TRUE(with_key(of_bob.secret)->may_use_model("large"));
  EXPECT_EQ(with_key(of_ann.secret)->group_ids, std::vector<std::string>{group->id});
}

TEST_F(SignInTest, PasswordsOpenSessionsThatEnd) {
  start();
  const User ann = add_user("ann", Role::kMember, kPassword);
  EXPECT_FALSE(log_in("ann", "wrong password"));
  EXPECT_FALSE(log_in("nobody", kPassword));
  const auto login = log_in("Ann", kPassword);
  ASSERT_TRUE(login) << login.error().message;
  const auto identity = with_session(login->token);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->user_id, ann.id);
  EXPECT_TRUE(identity->scopes.has(Scope::kAdmin));  // the role bounds it
  EXPECT_EQ(with_session(login->token, "", true).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(with_session(login->token, "wrong", true).error().code, ErrorCode::kForbidden);
  EXPECT_TRUE(with_session(login->token, login->csrf_token, true));
  const auto second = log_in("ann", kPassword);
  ASSERT_TRUE(second);
  EXPECT_EQ(sign_in_->list_sessions(ann.id)->size(), 2u);
  ASSERT_TRUE(sign_in_->end_other_sessions(*identity));
  EXPECT_FALSE(with_session(second->token));
  now_ += kSessionLife;
  EXPECT_FALSE(with_session(login->token));
}

TEST_F(SignInTest, ChangingThePasswordEndsOtherSessions) {
  start();
  add_user("ann", Role::kMember, kPassword);
  const auto here = log_in("ann", kPassword), there = log_in("ann", kPassword);
  ASSERT_TRUE(here && there);
  const Identity who = *with_session(here->token);
  EXPECT_EQ(sign_in_->change_password(who, {"ann", "wrong", "10.0.0.1", ""}, "another password")
                .error()
                .param,
            "current_password");
  EXPECT_EQ(
      sign_in_->change_password(who, {"ann", kPassword, "10.0.0.1", ""}, "short").error().param,
      "password");
  ASSERT_TRUE(
      sign_in_->change_password(who, {"ann", kPassword, "10.0.0.1", ""}, "another password"));
  EXPECT_TRUE(with_session(here->token));
  EXPECT_FALSE(with_session(there->token));
  EXPECT_FALSE(log_in("ann", kPassword));
  EXPECT_TRUE(log_in("ann", "another password"));
}

TEST_F(SignInTest, TheFirstAdminIsMadeOnce) {
  start({.is_loopback = false});
  const auto older = sign_in_->make_first_admin_token();
  const auto token = sign_in_->make_first_admin_token();
  ASSERT_TRUE(token && *token);
  const NewUser root{"root", "", Role::kMember, kPassword, "ko"};
  EXPECT_EQ(sign_in_->make_first_admin("guess", root, {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(sign_in_->make_first_admin(**older, root, {}).error().code, ErrorCode::kNotFound);
  // A bad password does not use the link up.
  EXPECT_EQ(sign_in_->make_first_admin(**token, {"root", "", Role::kMember, "short", ""}, {})
                .error()
                .param,
            "password");
  const auto login = sign_in_->make_first_admin(**token, root, {});
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ(login->user.role, "admin");
  EXPECT_EQ(with_session(login->token)->role, Role::kAdmin);
  EXPECT_FALSE(sign_in_->make_first_admin(**token, {"two", "", Role::kMember, kPassword, ""}, {}));
  EXPECT_FALSE(*sign_in_->make_first_admin_token());
}

TEST_F(SignInTest, TheFirstAdminNeedsNoLinkOnLoopbackAlone) {
  const NewUser root{"root", "", Role::kMember, kPassword, ""};
  start({.is_loopback = false});
  EXPECT_EQ(sign_in_->make_first_admin("", root, {}).error().code, ErrorCode::kNotFound);
  start({.is_loopback = true});
  EXPECT_EQ(sign_in_->make_first_admin("guess", root, {}).error().code, ErrorCode::kNotFound);
  const auto login = sign_in_->make_first_admin("", root, {});
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ(login->user.role, "admin");
  EXPECT_FALSE(*sign_in_->is_open());
  EXPECT_EQ(
      sign_in_->make_first_admin("", {"two", "", Role::kMember, kPassword, ""}, {}).error().code,
      ErrorCode::kNotFound);
}

TEST_F(SignInTest, TheLastAdminStays) {
  start();
  const User root = add_user("root", Role::kAdmin);
  EXPECT_EQ(accounts_->change_user("x", root.id, {.role = Role::kMember}).error().code,
            ErrorCode::kConflict);
  EXPECT_EQ(accounts_->change_user("x", root.id, {.disabled = true}).error().code,
            ErrorCode::kConflict);
  add_user("other", Role::kAdmin);
  EXPECT_TRUE(accounts_->change_user("x", root.id, {.role = Role::kMember}));
}

TEST_F(SignInTest, EveryActIsRecordedOrNotDone) {
  start();
  const User ann = add_user("ann", Role::kMember, kPassword);
  const NewKey key = add_key(ann);
  ASSERT_TRUE(accounts_->revoke_key("x", std::nullopt, key.key.id));
  EXPECT_FALSE(log_in("ann", "wrong"));
  EXPECT_TRUE(log_in("ann", kPassword));
  std::vector<std::string> acts;
  const auto rows = log_->list_before(0, 100);
  ASSERT_TRUE(rows);
  for (const auto& row : *rows) acts.push_back(row.entry.action);
  EXPECT_EQ(acts, (std::vector<std::string>{"login", "login.refuse", "key.revoke", "key.add",
                                            "user.add"}));
  ASSERT_TRUE(database_->write([](store::Transaction& transaction) -> Status {
    MARU_RETURN_IF_ERROR(transaction.execute("ALTER TABLE audit RENAME TO gone"));
    return {};
  }));
  EXPECT_FALSE(accounts_->add_group("x", "never"));
  EXPECT_TRUE(accounts_->list_groups()->empty());
}

TEST_F(SignInTest, AWatchTellsOfRevocation) {
  start();
  const User ann = add_user("ann"), bob = add_user("bob");
  const NewKey key = add_key(ann), other = add_key(bob);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> reasons;
  const auto note = [&](const Error& reason) {
    const std::lock_guard lock(mutex);
    reasons.push_back(reason.message);
    changed.notify_all();
  };
  const auto watch = sign_in_->watches().watch(*with_key(key.secret), note);
  const auto kept = sign_in_->watches().watch(*with_key(other.secret), note);
  ASSERT_TRUE(accounts_->revoke_key(kLocalActor, std::nullopt, key.key.id));
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return !reasons.empty(); }));
  EXPECT_EQ(reasons, std::vector<std::string>{"the API key was revoked"});
}

TEST_F(SignInTest, TheLastUseIsWrittenAtTheEndAndAtMostOnceAMinute) {
  start();
  const User ann = add_user("ann");
  const NewKey key = add_key(ann);
  ASSERT_TRUE(with_key(key.secret));
  const int64_t used = now_;
  sign_in_.reset();
  EXPECT_EQ(accounts_->list_keys_of(ann.id)->at(0).last_used_at, used);
}

TEST(Passwords, AreArgon2idAndVerified) {
  const auto hash = hash_password(kPassword);
  ASSERT_TRUE(hash);
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=65536,t=4,p=1$")) << *hash;
  EXPECT_TRUE(is_password_right(*hash, kPassword));
  EXPECT_FALSE(is_password_right(*hash, "correct horse batterz"));
  EXPECT_FALSE(is_password_right("", kPassword));
  EXPECT_EQ(hash_password("short").error().param, "password");
  EXPECT_EQ(hash_password(std::string(2000, 'x')).error().param, "password");
}

TEST(LoginLimiter, CountsByNameAndByAddress) {
  LoginLimiter limiter({.per_name = 3, .per_address = 5, .window_ms = 10'000, .max_entries = 100});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limiter.seconds_to_wait("ann", "1.2.3.4", i), 0);
    limiter.note_failure("ann", "1.2.3.4", i);
  }
  EXPECT_EQ(limiter.seconds_to_wait("ann", "9.9.9.9", 1'000), 9);
  EXPECT_EQ(limiter.seconds_to_wait("bob", "1.2.3.4", 1'000), 0);
  limiter.note_failure("bob", "1.2.3.4", 3);
  limiter.note_failure("eve", "1.2.3.4", 4);
  EXPECT_GT(limiter.seconds_to_wait("new", "1.2.3.4", 1'000), 0);
  EXPECT_EQ(limiter.seconds_to_wait("ann", "9.9.9.9", 10'000), 0);  // the first one is forgotten
  limiter.note_success("ann");
  EXPECT_EQ(limiter.seconds_to_wait("ann", "9.9.9.9", 1'000), 0);
}

TEST(LoginLimiter, TakesAnIpv6NetworkAsOneAndForgetsWhenFull) {
  LoginLimiter limiter({.per_name = 9, .per_address = 1, .window_ms = 10'000, .max_entries = 10});
  limiter.note_failure("ann", "2001:db8:1:2:3:4:5:6", 0);
  EXPECT_GT(limiter.seconds_to_wait("bob", "2001:db8:1:2:ffff::1", 1), 0);
  EXPECT_EQ(limiter.seconds_to_wait("bob", "2001:db8:1:3::1", 1), 0);
  for (int i = 0; i < 50; ++i) {
    limiter.note_failure("n" + std::to_string(i), std::to_string(i) + ".0.0.1", i + 1);
  }
  EXPECT_EQ(limiter.seconds_to_wait("bob", "2001:db8:1:2:ffff::1", 60), 0);
}

}  // namespace
}  // namespace maru::service
