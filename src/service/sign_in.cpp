#include "service/sign_in.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/random.h"
#include "net/access.h"
#include "service/passwords.h"

namespace maru::service {
namespace {

constexpr int64_t kFirstAdminLife = int64_t{24} * 3'600'000;
constexpr const char* kFirstAdmin = "first_admin";
constexpr size_t kMaxUserAgentBytes = 200;
constexpr Scopes kStaticScopes = {Scope::kInference, Scope::kUsage, Scope::kMetrics};

Error refused(const char* what, const char* hint, Reason reason) {
  return {ErrorCode::kUnauthenticated, what, hint, "", std::move(reason)};
}

// What the limiter counts by. Names that no account can have count as one.
std::string limited_name(const std::string& name) {
  const auto checked = check_user_name(name);
  return checked ? *checked : std::string();
}

std::string printable_agent(std::string text) {
  text.resize(std::min(text.size(), kMaxUserAgentBytes));
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

}  // namespace

Status check_static_keys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const bool visible =
        std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (!key.empty() && visible) continue;
    return Error{ErrorCode::kInvalidArgument,
                 "a key is empty or holds a space, a control character or another than ASCII",
                 "use visible ASCII characters", "keys"};
  }
  return {};
}

SignIn::SignIn(std::shared_ptr<store::Database> database, std::shared_ptr<Accounts> accounts,
               SignInOptions options, Clock clock)
    : database_(std::move(database)),
      accounts_(std::move(accounts)),
      options_(std::move(options)),
      clock_(std::move(clock)),
      limiter_(options_.login_limits),
      watches_(database_, clock_) {}

Result<bool> SignIn::is_open() {
  if (!options_.is_loopback || has_accounts_.load()) return false;
  bool has_accounts = false;
  const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(has_accounts, store::any_user(transaction));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  if (has_accounts) has_accounts_.store(true);
  return !has_accounts;
}

Result<Identity> SignIn::identify(const Credential& credential) {
  MARU_ASSIGN_OR_RETURN(const bool open, is_open());
  if (open) {
    Identity anybody;
    anybody.scopes = Scopes::all();
    anybody.hosts = {"*"};
    anybody.caller = credential.remote;
    return anybody;
  }
  if (!credential.key.empty()) return identify_key(credential);
  if (!credential.session_token.empty()) return identify_session(credential);
  return refused("no API key was given", "send the header Authorization: Bearer <key>",
                 Reason{"not_logged_in"});
}

Result<Identity> SignIn::identity_of(store::Transaction& transaction, const User& user) {
  Identity identity;
  identity.user_id = user.id;
  const std::optional<Role> role = find_role(user.role);
  if (!role) return Error{ErrorCode::kCorrupt, "an account has a role that is not known"};
  identity.role = *role;
  MARU_ASSIGN_OR_RETURN(identity.group_ids, store::group_ids_of(transaction, user.id));
  MARU_ASSIGN_OR_RETURN(static_cast<Permissions&>(identity), permissions_of(transaction, user.id));
  identity.caller = user.id;
  if (!options_.shares_prefixes) identity.tenant_salt = user.id;
  return identity;
}

Result<Identity> SignIn::identify_key(const Credential& credential) {
  std::optional<size_t> known;
  for (size_t i = 0; i < options_.static_keys.size(); ++i) {
    if (net::equal_in_constant_time(credential.key, options_.static_keys[i])) known = i;
  }
  if (known) {
    Identity identity;
    identity.key_id = "static_" + std::to_string(*known + 1);
    identity.scopes = kStaticScopes;
    identity.caller = identity.key_id;
    if (!options_.shares_prefixes) identity.tenant_salt = identity.key_id;
    return identity;
  }
  Identity identity;
  const std::string hash = sha256_hex(credential.key);
  const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto key, store::find_key_by_hash(transaction, hash));
    if (!key)
      return refused("the API key is not known to this server", "check the key",
                     Reason{"key_unknown"});
    MARU_ASSIGN_OR_RETURN(const auto user, store::find_user(transaction, key->user_id));
    if (!user)
      return refused("the API key is not known to this server", "check the key",
                     Reason{"key_unknown"});
    MARU_ASSIGN_OR_RETURN(identity, identity_of(transaction, *user));
    identity.key_id = key->id;
    identity.project_id = key->project_id;
    const std::optional<Scopes> scopes = Scopes::parse(key->scopes);
    if (!scopes) return Error{ErrorCode::kCorrupt, "an API key has a scope that is not known"};
    identity.scopes = *scopes;
    return check_still_valid(transaction, identity, clock_());
  });
  MARU_RETURN_IF_ERROR(asked);
  watches_.note_use(identity);
  return identity;
}

Result<Identity> SignIn::identify_session(const Credential& credential) {
  Identity identity;
  const std::string hash = sha256_hex(credential.session_token);
  const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto session, store::find_session_by_hash(transaction, hash));
    if (!session) return refused("the session has ended", "log in again", Reason{"session_ended"});
    MARU_ASSIGN_OR_RETURN(const auto user, store::find_user(transaction, session->user_id));
    if (!user) return refused("the session has ended", "log in again", Reason{"session_ended"});
    MARU_ASSIGN_OR_RETURN(identity, identity_of(transaction, *user));
    identity.session_id = session->id;
    identity.scopes = Scopes::all();
    return check_still_valid(transaction, identity, clock_());
  });
  MARU_RETURN_IF_ERROR(asked);
  if (credential.changes &&
      !net::equal_in_constant_time(credential.csrf_token, csrf_token(credential.session_token))) {
    return Error{ErrorCode::kForbidden, "the request lacks the session's CSRF token",
                 "send csrf_token of GET /api/me as the header X-CSRF-Token", "",
                 Reason{"page_outdated"}};
  }
  watches_.note_use(identity);
  return identity;
}

std::string SignIn::csrf_token(const std::string& session_token) {
  return sha256_hex("maru csrf " + session_token);
}

int64_t SignIn::seconds_to_wait(const LoginAttempt& attempt) {
  return limiter_.seconds_to_wait(limited_name(attempt.name), attempt.remote, clock_());
}

Login SignIn::new_login(const User& user, const LoginAttempt& attempt) {
  Login login;
  login.user = user;
  login.token = random_secret();
  login.csrf_token = csrf_token(login.token);
  const int64_t now = clock_();
  login.session = {random_id("sess_"),
                   user.id,
                   sha256_hex(login.token),
                   now,
                   now,
                   now + kSessionLife,
                   attempt.remote,
                   printable_agent(attempt.user_agent)};
  return login;
}

Result<Login> SignIn::log_in(const LoginAttempt& attempt) {
  const auto name = check_user_name(attempt.name);
  std::optional<User> user;
  if (name) {
    const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
      MARU_ASSIGN_OR_RETURN(user, store::find_user_by_name(transaction, *name));
      return {};
    });
    MARU_RETURN_IF_ERROR(asked);
  }
  if (user && user->disabled_at) user.reset();
  if (!is_password_right(user ? user->password_hash : "", attempt.password)) {
    limiter_.note_failure(limited_name(attempt.name), attempt.remote, clock_());
    // The name stays out of the record: people type passwords into the wrong field.
    MARU_RETURN_IF_ERROR(
        accounts_->log().record({user ? user->id : "unknown", "login.refuse", user ? user->id : "",
                                 dump_json(Json{{"remote", attempt.remote}})}));
    return refused("the name or the password is wrong", "check both", Reason{"login_wrong"});
  }
  limiter_.note_success(limited_name(attempt.name));
  const Login login = new_login(*user, attempt);
  const Act act{user->id, "login", login.session.id, dump_json(Json{{"remote", attempt.remote}})};
  const auto work = [&](store::Transaction& transaction) -> Status {
    MARU_RETURN_IF_ERROR(store::remove_expired_sessions(transaction, login.session.created_at));
    return store::add_session(transaction, login.session);
  };
  MARU_RETURN_IF_ERROR(accounts_->log().change(act, work));
  return login;
}

Result<std::vector<Session>> SignIn::list_sessions(const std::string& user_id) const {
  std::vector<Session> sessions;
  const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(sessions, store::list_sessions_of(transaction, user_id));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  const int64_t now = clock_();
  std::erase_if(sessions, [now](const Session& session) { return session.expires_at <= now; });
  return sessions;
}

Status SignIn::end_session(const Identity& who, const std::string& session_id) {
  return database_->write([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool ended,
                          store::end_session_of(transaction, who.user_id, session_id));
    if (!ended) return not_found("session");
    return {};
  });
}

Status SignIn::end_other_sessions(const Identity& who) {
  return database_->write([&](store::Transaction& transaction) -> Status {
    MARU_RETURN_IF_ERROR(store::end_sessions_of(transaction, who.user_id, who.session_id));
    return {};
  });
}

Status SignIn::change_password(const Identity& who, const LoginAttempt& attempt,
                               const std::string& wanted) {
  MARU_ASSIGN_OR_RETURN(const User before, accounts_->find_user(who.user_id));
  if (!is_password_right(before.password_hash, attempt.password)) {
    limiter_.note_failure(before.name, attempt.remote, clock_());
    return Error{ErrorCode::kInvalidArgument, "the current password is wrong", "",
                 "current_password", Reason{"password_wrong"}};
  }
  MARU_ASSIGN_OR_RETURN(const std::string hash, hash_password(wanted));
  const Act act{who.user_id, "password.change", who.user_id, "{}"};
  return accounts_->log().change(act, [&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(auto user, store::find_user(transaction, who.user_id));
    if (!user) return not_found("user");
    user->password_hash = hash;
    MARU_RETURN_IF_ERROR(store::update_user(transaction, *user));
    MARU_RETURN_IF_ERROR(store::end_sessions_of(transaction, who.user_id, who.session_id));
    return {};
  });
}

Result<std::optional<std::string>> SignIn::make_first_admin_token() {
  std::optional<std::string> token = random_secret();
  const store::LoginLink link{sha256_hex(*token), "", kFirstAdmin, clock_() + kFirstAdminLife};
  const Status written = database_->write([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool has_accounts, store::any_user(transaction));
    if (has_accounts) {
      token.reset();
      return {};
    }
    return store::add_login_link(transaction, link);
  });
  MARU_RETURN_IF_ERROR(written);
  return token;
}

Result<Login> SignIn::make_first_admin(const std::string& token, const NewUser& admin,
                                       const LoginAttempt& attempt) {
  const Error no_link{ErrorCode::kNotFound, "this link does not work (any more)",
                      "start the server anew for another one", "", Reason{"link_dead"}};
  const std::string hash = sha256_hex(token);
  const bool needs_link = !token.empty() || !options_.is_loopback;
  // Looked at first: only who has the link makes the server hash a password.
  const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool has_accounts, store::any_user(transaction));
    if (has_accounts) return no_link;
    if (!needs_link) return {};
    MARU_ASSIGN_OR_RETURN(const bool works,
                          store::has_login_link(transaction, hash, kFirstAdmin, clock_()));
    if (!works) return no_link;
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  User user;
  MARU_ASSIGN_OR_RETURN(user.name, check_user_name(admin.name));
  user.display_name = admin.display_name.empty() ? user.name : admin.display_name;
  MARU_RETURN_IF_ERROR(check_title(user.display_name, "display_name"));
  MARU_ASSIGN_OR_RETURN(user.password_hash, hash_password(admin.password));
  user.id = random_id("user_");
  user.role = role_name(Role::kAdmin);
  user.language = admin.language == "ko" || admin.language == "en" ? admin.language : "";
  user.created_at = clock_();
  const Login login = new_login(user, attempt);
  const Act act{user.id, "user.add", user.id,
                dump_json(Json{{"name", user.name}, {"role", user.role}})};
  const auto work = [&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool has_accounts, store::any_user(transaction));
    MARU_ASSIGN_OR_RETURN(const bool used,
                          store::use_login_link(transaction, hash, kFirstAdmin, clock_()));
    if (has_accounts || (needs_link && !used)) return no_link;
    MARU_RETURN_IF_ERROR(store::add_user(transaction, user));
    return store::add_session(transaction, login.session);
  };
  MARU_RETURN_IF_ERROR(accounts_->log().change(act, work));
  return login;
}

}  // namespace maru::service
