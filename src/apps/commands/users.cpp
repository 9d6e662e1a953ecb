#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/people.h"
#include "apps/terminal.h"
#include "base/json.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, name, value, display_name, role, language;
  bool json = false, has_password = false;
};

Json user_json(const service::User& user) {
  return {{"id", user.id},
          {"name", user.name},
          {"display_name", user.display_name},
          {"role", user.role},
          {"created_at", user.created_at},
          {"disabled_at", user.disabled_at ? Json(*user.disabled_at) : Json(nullptr)}};
}

Result<service::Role> read_role(const std::string& name) {
  const auto role = service::find_role(name);
  if (role) return *role;
  return Error{ErrorCode::kInvalidArgument, "there is no role '" + name + "'",
               "use member, auditor or admin", "role"};
}

Result<int> list(const Context& context, const service::Accounts& accounts, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(const auto users, accounts.list_users());
  if (wish.json) {
    Json data = Json::array();
    for (const auto& user : users) data.push_back(user_json(user));
    write_stdout(dump_json(data) + "\n");
    return 0;
  }
  if (users.empty()) write_stderr(context.say(Message::kNoUsers) + "\n");
  std::vector<std::vector<std::string>> rows;
  for (const auto& user : users) {
    rows.push_back({user.name, printable(user.display_name), user.role,
                    user.disabled_at ? "disabled" : "", format_time(user.created_at), user.id});
  }
  write_stdout(format_table(rows));
  return 0;
}

Result<int> add(const Context& context, service::Accounts& accounts, const Wish& wish) {
  service::NewUser user;
  user.name = wish.name;
  user.display_name = wish.display_name;
  user.language = wish.language;
  MARU_ASSIGN_OR_RETURN(user.role, read_role(wish.role.empty() ? "member" : wish.role));
  if (wish.has_password) {
    MARU_ASSIGN_OR_RETURN(user.password, ask_password(context.say));
  }
  MARU_ASSIGN_OR_RETURN(const auto added, accounts.add_user(service::kLocalActor, user));
  if (wish.json) {
    write_stdout(dump_json(user_json(added)) + "\n");
  } else {
    write_stderr(context.say(Message::kUserAdded, added.name, added.role, added.id) + "\n");
  }
  return 0;
}

Result<int> change(const Context& context, service::Accounts& accounts, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(const auto user, find_user(accounts, wish.name));
  service::UserChange change;
  if (wish.act == "disable") change.disabled = true;
  if (wish.act == "enable") change.disabled = false;
  if (wish.act == "role") {
    MARU_ASSIGN_OR_RETURN(change.role, read_role(wish.value));
  }
  if (wish.act == "password") {
    MARU_ASSIGN_OR_RETURN(change.password, ask_password(context.say));
  }
  MARU_ASSIGN_OR_RETURN(const auto changed,
                        accounts.change_user(service::kLocalActor, user.id, change));
  if (wish.json) {
    write_stdout(dump_json(user_json(changed)) + "\n");
  } else {
    write_stderr(context.say(Message::kUserChanged, changed.name) + "\n");
  }
  return 0;
}

Result<int> run(const Context& context, const Wish& wish) {
  const bool changes =
      wish.act == "disable" || wish.act == "enable" || wish.act == "role" || wish.act == "password";
  if (wish.act != "list" && wish.act != "add" && !changes) {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru users " + wish.act + "'",
                 "use add, list, disable, enable, password or role"};
  }
  if (wish.act != "list" && wish.name.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a name is missing",
                 "maru users " + wish.act + " NAME"};
  }
  MARU_ASSIGN_OR_RETURN(const auto accounts, open_accounts(context.settings()));
  if (wish.act == "list") return list(context, *accounts, wish);
  if (wish.act == "add") return add(context, *accounts, wish);
  return change(context, *accounts, wish);
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "add, list, disable, enable, password or role");
  options.argument("NAME", wish->name, "of the user", false);
  options.argument("VALUE", wish->value, "the role, after 'role NAME'", false);
  options.text("--role", wish->role, "of a new user: member (default), auditor or admin");
  options.text("--display-name", wish->display_name, "of a new user, for people to read");
  options.text("--language", wish->language, "of a new user: en or ko");
  options.toggle("--password", wish->has_password, "ask for the new user's password");
  options.toggle("--json", wish->json, "print JSON");
  options.examples(
      "  maru users add kim --role admin --password\n"
      "  maru users list\n"
      "  maru users role kim auditor\n"
      "  maru users password kim\n"
      "  maru users disable kim\n"
      "A password is asked for, or read as one line of standard input. Works while the server "
      "runs.");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_users;
const Command command_users{"users", "add, list and change the people who may log in", 52, declare};

}  // namespace maru::apps
