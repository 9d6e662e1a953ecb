#include <map>
#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/people.h"
#include "apps/terminal.h"
#include "base/json.h"
#include "service/clock.h"

namespace maru::apps {
namespace {

constexpr uint32_t kMaxDays = 36'500;
constexpr int64_t kDay = 24 * 3'600'000;

struct Wish {
  std::string act, subject, name = "key", scopes = "inference", project;
  uint32_t days = 0;
  bool json = false;
};

Json key_json(const service::ApiKey& key) {
  const auto optional = [](const std::optional<int64_t>& time) {
    return time ? Json(*time) : Json(nullptr);
  };
  return {{"id", key.id},
          {"user_id", key.user_id},
          {"name", key.name},
          {"prefix", key.prefix},
          {"scopes", key.scopes},
          {"created_at", key.created_at},
          {"expires_at", optional(key.expires_at)},
          {"last_used_at", optional(key.last_used_at)},
          {"revoked_at", optional(key.revoked_at)}};
}

// Standard output gets the key and nothing else.
int show_new(const Context& context, const service::NewKey& made, bool json) {
  if (json) {
    Json out = key_json(made.key);
    out["key"] = made.secret;
    write_stdout(dump_json(out) + "\n");
    return 0;
  }
  write_stderr(context.say(Message::kKeyMade, made.key.id) + "\n");
  write_stdout(made.secret + "\n");
  return 0;
}

Result<int> add(const Context& context, service::Accounts& accounts, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(const auto user, find_user(accounts, wish.subject));
  service::KeyWish key;
  key.name = wish.name;
  key.project_id = wish.project;
  std::string names = wish.scopes;
  for (char& c : names) {
    if (c == ',') c = ' ';
  }
  const auto scopes = service::Scopes::parse(names);
  if (!scopes) {
    return Error{ErrorCode::kInvalidArgument, "there is no such scope in '" + wish.scopes + "'",
                 "there are: " + service::Scopes::all().names(), "scopes"};
  }
  key.scopes = *scopes;
  if (wish.days > 0) key.expires_at = service::unix_milliseconds() + wish.days * kDay;
  MARU_ASSIGN_OR_RETURN(const auto made, accounts.add_key_for(service::kLocalActor, user.id, key));
  return show_new(context, made, wish.json);
}

Result<int> list(const Context& context, const service::Accounts& accounts, const Wish& wish) {
  std::vector<service::ApiKey> keys;
  if (wish.subject.empty()) {
    MARU_ASSIGN_OR_RETURN(keys, accounts.list_all_keys());
  } else {
    MARU_ASSIGN_OR_RETURN(const auto user, find_user(accounts, wish.subject));
    MARU_ASSIGN_OR_RETURN(keys, accounts.list_keys_of(user.id));
  }
  if (wish.json) {
    Json data = Json::array();
    for (const auto& key : keys) data.push_back(key_json(key));
    write_stdout(dump_json(data) + "\n");
    return 0;
  }
  if (keys.empty()) write_stderr(context.say(Message::kNoKeys) + "\n");
  std::map<std::string, std::string> names;
  MARU_ASSIGN_OR_RETURN(const auto users, accounts.list_users());
  for (const auto& user : users) names[user.id] = user.name;
  std::vector<std::vector<std::string>> rows;
  for (const auto& key : keys) {
    const bool expired = key.expires_at && *key.expires_at <= service::unix_milliseconds();
    rows.push_back({key.prefix + "...", names[key.user_id], printable(key.name), key.scopes,
                    format_time(key.created_at), format_time(key.last_used_at),
                    key.revoked_at ? "revoked"
                    : expired      ? "expired"
                                   : "",
                    key.id});
  }
  write_stdout(format_table(rows));
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  if (wish.act != "add" && wish.act != "list" && wish.act != "revoke" && wish.act != "rotate") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru keys " + wish.act + "'",
                 "use add, list, revoke or rotate"};
  }
  if (wish.act != "list" && wish.subject.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a name or an id is missing", "see maru keys --help"};
  }
  MARU_ASSIGN_OR_RETURN(const auto accounts, open_accounts(context.settings()));
  if (wish.act == "list") return list(context, *accounts, wish);
  if (wish.act == "add") return add(context, *accounts, wish);
  if (wish.act == "rotate") {
    MARU_ASSIGN_OR_RETURN(const auto made,
                          accounts->rotate_any_key(service::kLocalActor, wish.subject));
    return show_new(context, made, wish.json);
  }
  MARU_RETURN_IF_ERROR(accounts->revoke_key(service::kLocalActor, std::nullopt, wish.subject));
  write_stderr(context.say(Message::kKeyRevoked, wish.subject) + "\n");
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "add, list, revoke or rotate");
  options.argument("SUBJECT", wish->subject, "a user's name for add and list, else a key's id",
                   false);
  options.text("--name", wish->name, "of a new key, for people to recognise it");
  options.text(
      "--scopes", wish->scopes,
      "of a new key, with commas: inference, chats, usage, metrics, account, admin, audit");
  options.text("--project", wish->project, "id of the project that a new key belongs to");
  options.number("--days", wish->days, 0, kMaxDays, "a new key expires after so many; 0: never");
  options.toggle("--json", wish->json, "print JSON");
  options.examples(
      "  export OPENAI_API_KEY=$(maru keys add kim --name laptop)\n"
      "  maru keys list\n"
      "  maru keys rotate key_...\n"
      "  maru keys revoke key_...\n"
      "A key is shown once. Works while the server runs; a revoked key stops at once.");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_keys;
const Command command_keys{"keys", "make, list, rotate and revoke API keys", 54, declare};

}  // namespace maru::apps
