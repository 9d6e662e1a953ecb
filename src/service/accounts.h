// People, groups, projects and API keys: the rules above their tables. Every change names its actor
// and is recorded in the transaction that makes it. Times are Unix milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/audit.h"
#include "service/clock.h"
#include "service/identity.h"
#include "store/groups.h"
#include "store/keys.h"
#include "store/projects.h"
#include "store/sessions.h"
#include "store/users.h"

namespace maru::service {

using store::ApiKey;
using store::Group;
using store::Project;
using store::Rule;
using store::Session;
using store::User;

struct NewUser {
  std::string name;
  std::string display_name;  // empty: the name
  Role role = Role::kMember;
  std::string password;  // empty: none, no login until one is set
  std::string language;
};

struct UserChange {
  std::optional<std::string> display_name = {}, language = {}, password = {};
  std::optional<Role> role = {};
  std::optional<bool> disabled = {};
};

struct GroupView {
  Group group;
  std::vector<store::Member> members;
  std::vector<Rule> rules;
};

struct ProjectChange {
  std::optional<std::string> name, owner_group_id;
  std::optional<bool> archived;
};

struct KeyWish {
  std::string name;
  Scopes scopes = {Scope::kInference};
  std::string project_id;
  std::optional<int64_t> expires_at;
};

struct NewKey {
  ApiKey key;
  std::string secret;  // shown once, kept nowhere
};

// Thread-safe; waits for the disk. Errors: kInvalidArgument and kConflict with `param`, kNotFound,
// those of the store.
class Accounts {
 public:
  explicit Accounts(std::shared_ptr<AuditLog> log, Clock clock = unix_milliseconds);

  // Hashing a password takes its time (service/passwords.h).
  Result<User> add_user(const std::string& actor, const NewUser& wish);
  Result<std::vector<User>> list_users() const;
  Result<User> find_user(const std::string& id) const;
  Result<User> find_user_by_name(const std::string& name) const;
  // Nobody may take the last admin away. A disabled account's sessions end; its keys rest.
  Result<User> change_user(const std::string& actor, const std::string& id,
                           const UserChange& change);

  Result<Group> add_group(const std::string& actor, const std::string& name);
  Result<std::vector<GroupView>> list_groups() const;
  Result<GroupView> find_group(const std::string& id) const;
  Result<GroupView> find_group_by_name(const std::string& name) const;
  Status remove_group(const std::string& actor, const std::string& id);
  Status add_member(const std::string& actor, const std::string& group_id,
                    const std::string& user_id);
  Status remove_member(const std::string& actor, const std::string& group_id,
                       const std::string& user_id);
  Status add_rule(const std::string& actor, const std::string& group_id, const Rule& rule);
  Status remove_rule(const std::string& actor, const std::string& group_id, const Rule& rule);

  Result<Project> add_project(const std::string& actor, const std::string& name,
                              const std::string& owner_group_id);
  Result<std::vector<Project>> list_projects() const;
  // Those that the user's keys may belong to.
  Result<std::vector<Project>> list_projects_of(const std::string& user_id) const;
  Result<Project> change_project(const std::string& actor, const std::string& id,
                                 const ProjectChange& change);

  // For oneself: a key never has a scope that `maker` lacks.
  Result<NewKey> add_key(const Identity& maker, const KeyWish& wish);
  Result<NewKey> add_key_for(const std::string& actor, const std::string& user_id,
                             const KeyWish& wish);
  Result<std::vector<ApiKey>> list_keys_of(const std::string& user_id) const;
  Result<std::vector<ApiKey>> list_all_keys() const;
  // `owner`: the user whose key it must be; none: anybody's. A revoked key stops working at once,
  // also where it is in use (service/sign_in.h). Rotating makes a key like it and revokes it.
  Status revoke_key(const std::string& actor, const std::optional<std::string>& owner,
                    const std::string& id);
  Result<NewKey> rotate_key(const Identity& maker, const std::string& id);
  Result<NewKey> rotate_any_key(const std::string& actor, const std::string& id);

  // Where all of it is recorded, and what others do to accounts.
  AuditLog& log() const { return *log_; }
  const std::shared_ptr<AuditLog>& shared_log() const { return log_; }

 private:
  Status change(const Act& act, const std::function<Status(store::Transaction&)>& work);
  Result<NewKey> make_key(const std::string& actor, const std::string& user_id, const KeyWish& wish,
                          const std::string& replaces);
  Result<NewKey> replace_key(const std::string& actor, const std::optional<std::string>& owner,
                             const std::string& id, const std::optional<Scopes>& most);

  std::shared_ptr<AuditLog> log_;
  std::shared_ptr<store::Database> database_;
  Clock clock_;
};

// The database at `location` (service/config.h), made if missing. Errors: store::Database::open's.
Result<std::shared_ptr<store::Database>> open_database(const std::string& location);

// "name@example.org" as it is stored: lower case. Errors: kInvalidArgument, param "name".
Result<std::string> check_user_name(const std::string& name);
// For people to read, of groups, projects and keys: 1 to 100 characters, no control characters.
Status check_title(const std::string& title, const std::string& param);
// Does not repeat the id that was asked for: it may be a secret in the wrong place.
Error not_found(const std::string& what);

}  // namespace maru::service
