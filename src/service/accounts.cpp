#include "service/accounts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/random.h"
#include "base/utf8.h"
#include "service/passwords.h"

namespace maru::service {
namespace {

constexpr size_t kMaxNameBytes = 100;
constexpr size_t kMaxTitleBytes = 400;

bool is_one_line(const std::string& text) {
  return utf8_is_valid(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
         });
}

Status check_language(const std::string& language) {
  if (language.empty() || language == "en" || language == "ko") return {};
  return Error{ErrorCode::kInvalidArgument, "the language is none of \"en\" and \"ko\"", "",
               "language"};
}

Error name_is_taken(const Error& error, const std::string& name) {
  if (error.code != ErrorCode::kConflict) return error;
  return {ErrorCode::kConflict, "the name '" + name + "' is taken", "choose another", "name",
          Reason{"name_taken", {{"name", name}}}};
}

Result<User> user_or_error(const Result<std::optional<User>>& found) {
  if (!found) return found.error();
  if (!*found) return not_found("user");
  return **found;
}

// What a change did, by names of fields: never the values of secrets.
Json describe(const UserChange& change) {
  Json detail = Json::object();
  if (change.display_name) detail["display_name"] = true;
  if (change.language) detail["language"] = *change.language;
  if (change.password) detail["password"] = true;
  if (change.role) detail["role"] = role_name(*change.role);
  if (change.disabled) detail["disabled"] = *change.disabled;
  return detail;
}

}  // namespace

Result<std::shared_ptr<store::Database>> open_database(const std::string& location) {
  MARU_ASSIGN_OR_RETURN(auto database, store::Database::open(location));
  return std::shared_ptr<store::Database>(std::move(database));
}

Result<std::string> check_user_name(const std::string& name) {
  std::string lower;
  for (const char c : name) {
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_@+";
  if (lower.empty() || lower.size() > kMaxNameBytes ||
      lower.find_first_not_of(kAllowed) != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("a user's name has 1 to {} of a-z, 0-9 and .-_@+", kMaxNameBytes),
                 "the display name may be any text", "name",
                 Reason{"user_name_bad", {{"max", kMaxNameBytes}}}};
  }
  return lower;
}

Status check_title(const std::string& title, const std::string& param) {
  if (!title.empty() && title.size() <= kMaxTitleBytes && is_one_line(title)) return {};
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("'{}' must be one line of 1 to {} bytes", param, kMaxTitleBytes), "",
               param, Reason{"line_bad", {{"field", param}, {"max", kMaxTitleBytes}}}};
}

Error not_found(const std::string& what) {
  return {ErrorCode::kNotFound, "there is no such " + what, "", "",
          Reason{"gone", {{"what", what}}}};
}

Accounts::Accounts(std::shared_ptr<AuditLog> log, Clock clock)
    : log_(std::move(log)), database_(log_->database()), clock_(std::move(clock)) {}

Status Accounts::change(const Act& act, const std::function<Status(store::Transaction&)>& work) {
  return log_->change(act, work);
}

Result<User> Accounts::add_user(const std::string& actor, const NewUser& wish) {
  User user;
  MARU_ASSIGN_OR_RETURN(user.name, check_user_name(wish.name));
  user.display_name = wish.display_name.empty() ? user.name : wish.display_name;
  MARU_RETURN_IF_ERROR(check_title(user.display_name, "display_name"));
  MARU_RETURN_IF_ERROR(check_language(wish.language));
  if (!wish.password.empty()) {
    MARU_ASSIGN_OR_RETURN(user.password_hash, hash_password(wish.password));
  }
  user.id = random_id("user_");
  user.role = role_name(wish.role);
  user.language = wish.language;
  user.created_at = clock_();
  const std::string detail = dump_json(Json{{"name", user.name}, {"role", user.role}});
  const Status status = change({actor, "user.add", user.id, detail}, [&](auto& transaction) {
    return store::add_user(transaction, user);
  });
  if (!status) return name_is_taken(status.error(), user.name);
  return user;
}

Result<std::vector<User>> Accounts::list_users() const {
  std::vector<User> users;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(users, store::list_users(transaction));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return users;
}

Result<User> Accounts::find_user(const std::string& id) const {
  User user;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(user, user_or_error(store::find_user(transaction, id)));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return user;
}

Result<User> Accounts::find_user_by_name(const std::string& name) const {
  MARU_ASSIGN_OR_RETURN(const std::string lower, check_user_name(name));
  User user;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(user, user_or_error(store::find_user_by_name(transaction, lower)));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return user;
}

Result<User> Accounts::change_user(const std::string& actor, const std::string& id,
                                   const UserChange& wish) {
  if (wish.display_name) MARU_RETURN_IF_ERROR(check_title(*wish.display_name, "display_name"));
  if (wish.language) MARU_RETURN_IF_ERROR(check_language(*wish.language));
  std::string password_hash;
  if (wish.password) {
    MARU_RETURN_IF_ERROR(find_user(id));
    MARU_ASSIGN_OR_RETURN(password_hash, hash_password(*wish.password));
  }
  User user;
  const auto work = [&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(user, user_or_error(store::find_user(transaction, id)));
    if (wish.display_name) user.display_name = *wish.display_name;
    if (wish.language) user.language = *wish.language;
    if (wish.password) user.password_hash = password_hash;
    if (wish.role) user.role = role_name(*wish.role);
    if (wish.disabled && !*wish.disabled) user.disabled_at.reset();
    if (wish.disabled && *wish.disabled && !user.disabled_at) user.disabled_at = clock_();
    MARU_RETURN_IF_ERROR(store::update_user(transaction, user));
    MARU_ASSIGN_OR_RETURN(const int64_t n_admins, store::count_admins(transaction));
    if (n_admins == 0 && (wish.role || wish.disabled)) {
      return Error{ErrorCode::kConflict, "nobody would be an admin any more",
                   "make somebody else an admin first", wish.role ? "role" : "disabled",
                   Reason{"last_admin"}};
    }
    if (wish.password || user.disabled_at) {
      MARU_RETURN_IF_ERROR(store::end_sessions_of(transaction, id, ""));
    }
    return {};
  };
  MARU_RETURN_IF_ERROR(change({actor, "user.change", id, dump_json(describe(wish))}, work));
  return user;
}

}  // namespace maru::service
