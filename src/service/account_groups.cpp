// Groups, their rules, and projects.
#include "base/json.h"
#include "base/random.h"
#include "service/accounts.h"
#include "service/permissions.h"

namespace maru::service {
namespace {

Error name_is_taken(const Error& error, const std::string& name) {
  if (error.code != ErrorCode::kConflict || store::conflict_column(error).empty()) return error;
  return {ErrorCode::kConflict, "the name '" + name + "' is taken", "choose another", "name",
          Reason{"name_taken", {{"name", name}}}};
}

Status need_group(store::Transaction& transaction, const std::string& id) {
  MARU_ASSIGN_OR_RETURN(const auto group, store::find_group(transaction, id));
  if (!group) return not_found("group");
  return {};
}

Result<GroupView> view_group(store::Transaction& transaction, const Group& group) {
  GroupView view{group, {}, {}};
  MARU_ASSIGN_OR_RETURN(view.members, store::list_members(transaction, group.id));
  MARU_ASSIGN_OR_RETURN(view.rules, store::list_rules(transaction, group.id));
  return view;
}

std::string describe(const Rule& rule) {
  return dump_json(Json{{"kind", rule.kind}, {"name", rule.name}});
}

std::string describe_user(const std::string& user_id) { return dump_json(Json{{"user", user_id}}); }

}  // namespace

Result<Group> Accounts::add_group(const std::string& actor, const std::string& name) {
  MARU_RETURN_IF_ERROR(check_title(name, "name"));
  const Group group{random_id("grp_"), name, clock_()};
  const std::string detail = dump_json(Json{{"name", name}});
  const Status status = change({actor, "group.add", group.id, detail}, [&](auto& transaction) {
    return store::add_group(transaction, group);
  });
  if (!status) return name_is_taken(status.error(), name);
  return group;
}

Result<std::vector<GroupView>> Accounts::list_groups() const {
  std::vector<GroupView> views;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto groups, store::list_groups(transaction));
    for (const Group& group : groups) {
      MARU_ASSIGN_OR_RETURN(GroupView view, view_group(transaction, group));
      views.push_back(std::move(view));
    }
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return views;
}

Result<GroupView> Accounts::find_group(const std::string& id) const {
  GroupView view;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto group, store::find_group(transaction, id));
    if (!group) return not_found("group");
    MARU_ASSIGN_OR_RETURN(view, view_group(transaction, *group));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return view;
}

Result<GroupView> Accounts::find_group_by_name(const std::string& name) const {
  GroupView view;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto group, store::find_group_by_name(transaction, name));
    if (!group) return not_found("group");
    MARU_ASSIGN_OR_RETURN(view, view_group(transaction, *group));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return view;
}

Status Accounts::remove_group(const std::string& actor, const std::string& id) {
  return change({actor, "group.remove", id, "{}"}, [&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool removed, store::remove_group(transaction, id));
    if (!removed) return not_found("group");
    return {};
  });
}

Status Accounts::add_member(const std::string& actor, const std::string& group_id,
                            const std::string& user_id) {
  const Act act{actor, "group.join", group_id, describe_user(user_id)};
  return change(act, [&](auto& transaction) -> Status {
    MARU_RETURN_IF_ERROR(need_group(transaction, group_id));
    MARU_ASSIGN_OR_RETURN(const auto user, store::find_user(transaction, user_id));
    if (!user) return not_found("user");
    return store::add_member(transaction, group_id, user_id);
  });
}

Status Accounts::remove_member(const std::string& actor, const std::string& group_id,
                               const std::string& user_id) {
  const Act act{actor, "group.leave", group_id, describe_user(user_id)};
  return change(act, [&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool removed, store::remove_member(transaction, group_id, user_id));
    if (!removed) return not_found("member");
    return {};
  });
}

Status Accounts::add_rule(const std::string& actor, const std::string& group_id, const Rule& rule) {
  MARU_RETURN_IF_ERROR(check_rule(rule));
  return change({actor, "group.allow", group_id, describe(rule)}, [&](auto& transaction) -> Status {
    MARU_RETURN_IF_ERROR(need_group(transaction, group_id));
    return store::add_rule(transaction, group_id, rule);
  });
}

Status Accounts::remove_rule(const std::string& actor, const std::string& group_id,
                             const Rule& rule) {
  return change({actor, "group.deny", group_id, describe(rule)}, [&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const bool removed, store::remove_rule(transaction, group_id, rule));
    if (!removed) return not_found("rule");
    return {};
  });
}

Result<Project> Accounts::add_project(const std::string& actor, const std::string& name,
                                      const std::string& owner_group_id) {
  MARU_RETURN_IF_ERROR(check_title(name, "name"));
  const Project project{random_id("proj_"), name, owner_group_id, clock_(), {}};
  const std::string detail = dump_json(Json{{"name", name}, {"group", owner_group_id}});
  const Act act{actor, "project.add", project.id, detail};
  const Status status = change(act, [&](auto& transaction) -> Status {
    if (!owner_group_id.empty()) MARU_RETURN_IF_ERROR(need_group(transaction, owner_group_id));
    return store::add_project(transaction, project);
  });
  if (!status) return name_is_taken(status.error(), name);
  return project;
}

Result<std::vector<Project>> Accounts::list_projects() const {
  std::vector<Project> projects;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(projects, store::list_projects(transaction));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return projects;
}

Result<std::vector<Project>> Accounts::list_projects_of(const std::string& user_id) const {
  std::vector<Project> projects;
  const Status asked = database_->read([&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(projects, store::list_projects_of(transaction, user_id));
    return {};
  });
  MARU_RETURN_IF_ERROR(asked);
  return projects;
}

Result<Project> Accounts::change_project(const std::string& actor, const std::string& id,
                                         const ProjectChange& wish) {
  if (wish.name) MARU_RETURN_IF_ERROR(check_title(*wish.name, "name"));
  Project project;
  Json detail = Json::object();
  if (wish.name) detail["name"] = *wish.name;
  if (wish.owner_group_id) detail["group"] = *wish.owner_group_id;
  if (wish.archived) detail["archived"] = *wish.archived;
  const Act act{actor, "project.change", id, dump_json(detail)};
  const Status status = change(act, [&](auto& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto found, store::find_project(transaction, id));
    if (!found) return not_found("project");
    project = *found;
    if (wish.name) project.name = *wish.name;
    if (wish.owner_group_id) {
      if (!wish.owner_group_id->empty()) {
        MARU_RETURN_IF_ERROR(need_group(transaction, *wish.owner_group_id));
      }
      project.owner_group_id = *wish.owner_group_id;
    }
    if (wish.archived && !*wish.archived) project.archived_at.reset();
    if (wish.archived && *wish.archived && !project.archived_at) project.archived_at = clock_();
    MARU_RETURN_IF_ERROR(store::update_project(transaction, project));
    return {};
  });
  if (!status) return name_is_taken(status.error(), project.name);
  return project;
}

}  // namespace maru::service
