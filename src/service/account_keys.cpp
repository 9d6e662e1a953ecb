// API keys: making, rotating, revoking.
#include "base/json.h"
#include "base/random.h"
#include "service/accounts.h"

namespace maru::service {
namespace {

constexpr std::string_view kKeyPrefix = "maru-";
constexpr size_t kShownBytes = 10;  // enough to tell a person's keys apart: 30 of 256 bits

Status check_wish(const KeyWish& wish, int64_t now) {
  MARU_RETURN_IF_ERROR(check_title(wish.name, "name"));
  if (wish.scopes.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a key without a scope is good for nothing", "",
                 "scopes", Reason{"key_without_scope"}};
  }
  if (wish.expires_at && *wish.expires_at <= now) {
    return Error{ErrorCode::kInvalidArgument, "the key would have expired already", "",
                 "expires_at", Reason{"key_expires_in_past"}};
  }
  return {};
}

std::string describe(const KeyWish& wish, const std::string& user_id, const std::string& replaces) {
  Json detail{{"user", user_id}, {"scopes", wish.scopes.names()}};
  if (!wish.project_id.empty()) detail["project"] = wish.project_id;
  if (!replaces.empty()) detail["replaces"] = replaces;
  return dump_json(detail);
}

}  // namespace

Result<NewKey> Accounts::make_key(const std::string& actor, const std::string& user_id,
                                  const KeyWish& wish, const std::string& replaces) {
  const int64_t now = clock_();
  MARU_RETURN_IF_ERROR(check_wish(wish, now));
  NewKey made;
  made.secret = std::string(kKeyPrefix) + random_secret();
  made.key.id = random_id("key_");
  made.key.user_id = user_id;
  made.key.project_id = wish.project_id;
  made.key.name = wish.name;
  made.key.prefix = made.secret.substr(0, kShownBytes);
  made.key.hash = sha256_hex(made.secret);
  made.key.scopes = wish.scopes.names();
  made.key.created_at = now;
  made.key.expires_at = wish.expires_at;
  const Act act{actor, replaces.empty() ? "key.add" : "key.rotate", made.key.id,
                describe(wish, user_id, replaces)};
  const Status written = change(act, [&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto user, store::find_user(transaction, user_id));
    if (!user) return not_found("user");
    if (!wish.project_id.empty()) {
      MARU_ASSIGN_OR_RETURN(const auto project,
                            store::find_project_of(transaction, user_id, wish.project_id));
      if (!project) return not_found("project");
    }
    if (!replaces.empty()) {
      MARU_ASSIGN_OR_RETURN(const bool revoked, store::revoke_key(transaction, replaces, now));
      if (!revoked) return not_found("key");
    }
    return store::add_key(transaction, made.key);
  });
  MARU_RETURN_IF_ERROR(written);
  return made;
}

Result<NewKey> Accounts::add_key(const Identity& maker, const KeyWish& wish) {
  if (!maker.scopes.has_all(wish.scopes)) {
    return Error{ErrorCode::kForbidden, "a key cannot have a scope that its maker lacks",
                 "log in, or use a key that has the scope", "scopes", Reason{"key_scope_too_wide"}};
  }
  return make_key(maker.user_id, maker.user_id, wish, "");
}

Result<NewKey> Accounts::add_key_for(const std::string& actor, const std::string& user_id,
                                     const KeyWish& wish) {
  return make_key(actor, user_id, wish, "");
}

Result<std::vector<ApiKey>> Accounts::list_keys_of(const std::string& user_id) const {
  std::vector<ApiKey> keys;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(keys, store::list_keys_of(transaction, user_id));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return keys;
}

Result<std::vector<ApiKey>> Accounts::list_all_keys() const {
  std::vector<ApiKey> keys;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(keys, store::list_all_keys(transaction));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return keys;
}

Status Accounts::revoke_key(const std::string& actor, const std::optional<std::string>& owner,
                            const std::string& id) {
  return change({actor, "key.revoke", id, "{}"}, [&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto key, owner ? store::find_key_of(transaction, *owner, id)
                                                : store::find_any_key(transaction, id));
    if (!key) return not_found("key");
    MARU_RETURN_IF_ERROR(store::revoke_key(transaction, id, clock_()));
    return {};
  });
}

Result<NewKey> Accounts::replace_key(const std::string& actor,
                                     const std::optional<std::string>& owner, const std::string& id,
                                     const std::optional<Scopes>& most) {
  std::optional<ApiKey> old;
  const Status asked = database_->read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(old, owner ? store::find_key_of(transaction, *owner, id)
                                     : store::find_any_key(transaction, id));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  if (!old) return not_found("key");
  if (old->revoked_at || (old->expires_at && *old->expires_at <= clock_())) {
    return Error{ErrorCode::kConflict, "the key is revoked or has expired", "make a new key", "",
                 Reason{"key_ended"}};
  }
  const std::optional<Scopes> scopes = Scopes::parse(old->scopes);
  if (!scopes) return Error{ErrorCode::kCorrupt, "the key has a scope that is not known"};
  if (most && !most->has_all(*scopes)) {
    return Error{ErrorCode::kForbidden, "a key cannot have a scope that its maker lacks",
                 "log in, or use a key that has the scope", "", Reason{"key_scope_too_wide"}};
  }
  return make_key(actor, old->user_id, {old->name, *scopes, old->project_id, old->expires_at}, id);
}

Result<NewKey> Accounts::rotate_key(const Identity& maker, const std::string& id) {
  return replace_key(maker.user_id, maker.user_id, id, maker.scopes);
}

Result<NewKey> Accounts::rotate_any_key(const std::string& actor, const std::string& id) {
  return replace_key(actor, std::nullopt, id, std::nullopt);
}

}  // namespace maru::service
