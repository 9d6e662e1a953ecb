#include <algorithm>
#include <memory>

#include "apps/command.h"
#include "apps/options.h"
#include "apps/people.h"
#include "apps/terminal.h"
#include "base/json.h"

namespace maru::apps {
namespace {

struct Wish {
  std::string act, group, value;
  bool json = false;
};

Json group_json(const service::GroupView& view) {
  Json members = Json::array(), rules = Json::array();
  for (const auto& member : view.members) members.push_back(member.name);
  for (const auto& rule : view.rules) rules.push_back(rule.kind + ":" + rule.name);
  return {{"id", view.group.id},
          {"name", view.group.name},
          {"members", std::move(members)},
          {"rules", std::move(rules)}};
}

Result<int> list(const Context& context, const service::Accounts& accounts, const Wish& wish) {
  MARU_ASSIGN_OR_RETURN(const auto groups, accounts.list_groups());
  if (wish.json) {
    Json data = Json::array();
    for (const auto& group : groups) data.push_back(group_json(group));
    write_stdout(dump_json(data) + "\n");
    return 0;
  }
  if (groups.empty()) write_stderr(context.say(Message::kNoGroups) + "\n");
  for (const auto& view : groups) {
    std::string members, rules;
    for (const auto& member : view.members) members += " " + member.name;
    for (const auto& rule : view.rules) rules += " " + rule.kind + ":" + printable(rule.name);
    write_stdout(context.say(Message::kGroupLine, printable(view.group.name),
                             members.empty() ? " -" : members, rules.empty() ? " -" : rules) +
                 "\n");
  }
  return 0;
}

// "model:NAME"; a bare name is a model's.
service::Rule read_rule(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {"model", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

Status act_on(service::Accounts& accounts, const service::GroupView& group, const Wish& wish) {
  const std::string& id = group.group.id;
  if (wish.act == "remove") return accounts.remove_group(service::kLocalActor, id);
  if (wish.act == "allow") {
    return accounts.add_rule(service::kLocalActor, id, read_rule(wish.value));
  }
  if (wish.act == "deny") {
    return accounts.remove_rule(service::kLocalActor, id, read_rule(wish.value));
  }
  MARU_ASSIGN_OR_RETURN(const auto user, find_user(accounts, wish.value));
  if (wish.act == "join") return accounts.add_member(service::kLocalActor, id, user.id);
  return accounts.remove_member(service::kLocalActor, id, user.id);
}

Result<int> run(const Context& context, const Wish& wish) {
  const bool wants_value =
      wish.act == "join" || wish.act == "leave" || wish.act == "allow" || wish.act == "deny";
  if (!wants_value && wish.act != "add" && wish.act != "list" && wish.act != "remove") {
    return Error{ErrorCode::kInvalidArgument, "there is no 'maru groups " + wish.act + "'",
                 "use add, list, join, leave, allow, deny or remove"};
  }
  if ((wish.act != "list" && wish.group.empty()) || (wants_value && wish.value.empty())) {
    return Error{ErrorCode::kInvalidArgument, "a name is missing", "see maru groups --help"};
  }
  MARU_ASSIGN_OR_RETURN(const auto accounts, open_accounts(context.settings()));
  if (wish.act == "list") return list(context, *accounts, wish);
  if (wish.act == "add") {
    MARU_ASSIGN_OR_RETURN(const auto added, accounts->add_group(service::kLocalActor, wish.group));
    if (wish.json) {
      write_stdout(dump_json(group_json({added, {}, {}})) + "\n");
    } else {
      write_stderr(context.say(Message::kGroupAdded, added.name, added.id) + "\n");
    }
    return 0;
  }
  MARU_ASSIGN_OR_RETURN(const auto group, find_group(*accounts, wish.group));
  MARU_RETURN_IF_ERROR(act_on(*accounts, group, wish));
  write_stderr(context.say(Message::kGroupChanged, group.group.name) + "\n");
  return 0;
}

CommandBody declare(Options& options) {
  auto wish = std::make_shared<Wish>();
  options.argument("ACT", wish->act, "add, list, join, leave, allow, deny or remove");
  options.argument("GROUP", wish->group, "its name", false);
  options.argument("VALUE", wish->value, "a user's name, or what is allowed: model:NAME", false);
  options.toggle("--json", wish->json, "print JSON");
  options.examples(
      "  maru groups add research\n"
      "  maru groups join research kim\n"
      "  maru groups allow research model:gemma-3-4b\n"
      "  maru groups list\n"
      "Members of groups with rules for models may use the models of all their groups' rules;\n"
      "everybody else may use all. Works while the server runs.");
  return [wish](const Context& context) { return run(context, *wish); };
}

}  // namespace

extern const Command command_groups;
const Command command_groups{"groups", "groups of people, and the models they may use", 53,
                             declare};

}  // namespace maru::apps
