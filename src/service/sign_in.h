// Who is it? From a key or a session's token to an Identity; logging in and out; the first admin.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/accounts.h"
#include "service/clock.h"
#include "service/identity.h"
#include "service/login_limiter.h"
#include "service/watches.h"
#include "store/database.h"

namespace maru::service {

struct SignInOptions {
  // With an address that only this machine reaches, everybody is let in until there is an account.
  bool is_loopback = true;
  std::vector<std::string> static_keys = {};  // of the settings: members without an account
  bool shares_prefixes = false;  // cached prefixes are shared by all of the organisation
  LoginLimits login_limits = {};
};

// What a request brought along.
struct Credential {
  std::string key;            // an API key; empty: none
  std::string session_token;  // of the cookie; empty: none
  std::string csrf_token;     // of the header; wanted with a cookie where something is changed
  bool changes = false;       // its method is not a safe one (RFC 9110, 9.2.1)
  std::string remote;
};

struct Login {
  User user;
  Session session;
  std::string token;  // for the cookie; kept nowhere
  std::string csrf_token;
};

struct LoginAttempt {
  std::string name, password, remote, user_agent;
};

inline constexpr int64_t kSessionLife = int64_t{30} * 24 * 3'600'000;  // milliseconds

// Errors: kInvalidArgument, param "keys" (a key is empty or not of visible ASCII).
Status check_static_keys(const std::vector<std::string>& keys);

// Thread-safe; waits for the disk.
class SignIn {
 public:
  SignIn(std::shared_ptr<store::Database> database, std::shared_ptr<Accounts> accounts,
         SignInOptions options, Clock clock = unix_milliseconds);

  // Errors: kUnauthenticated; kForbidden (the CSRF token is missing or wrong).
  Result<Identity> identify(const Credential& credential);
  // Everybody is let in without a credential, as things are now.
  Result<bool> is_open();

  // What a session's pages send with every change: made from the token, so only they know it.
  static std::string csrf_token(const std::string& session_token);

  // 0: a login may be tried now.
  int64_t seconds_to_wait(const LoginAttempt& attempt);
  // Takes a tenth of a second (service/passwords.h), the same for names that are not there.
  // Errors: kUnauthenticated.
  Result<Login> log_in(const LoginAttempt& attempt);
  Result<std::vector<Session>> list_sessions(const std::string& user_id) const;
  Status end_session(const Identity& who, const std::string& session_id);
  Status end_other_sessions(const Identity& who);
  // `attempt`: with the account's own name and its current password, counted as a login is. Ends
  // all other sessions. Errors: kInvalidArgument, param "current_password" or "password".
  Status change_password(const Identity& who, const LoginAttempt& attempt,
                         const std::string& wanted);

  // A token that makes the first admin, once, within a day; none if there is an account.
  Result<std::optional<std::string>> make_first_admin_token();
  // Where everybody is let in, `token` may be empty.
  // Errors: kNotFound (the token is unknown, used or old, or there is an account).
  Result<Login> make_first_admin(const std::string& token, const NewUser& admin,
                                 const LoginAttempt& attempt);

  Watches& watches() { return watches_; }

 private:
  Result<Identity> identify_key(const Credential& credential);
  Result<Identity> identify_session(const Credential& credential);
  Result<Identity> identity_of(store::Transaction& transaction, const User& user);
  Login new_login(const User& user, const LoginAttempt& attempt);

  std::shared_ptr<store::Database> database_;
  std::shared_ptr<Accounts> accounts_;
  const SignInOptions options_;
  Clock clock_;
  LoginLimiter limiter_;
  std::atomic<bool> has_accounts_ = false;  // accounts are never removed
  Watches watches_;
};

}  // namespace maru::service
