#include "store/projects.h"

#include "store/columns.h"

namespace maru::store {
namespace {

constexpr const char* kSelect =
    "SELECT id, name, owner_group_id, created_at, archived_at FROM projects ";
constexpr const char* kOfUser =
    "archived_at IS NULL AND (owner_group_id IS NULL OR owner_group_id IN "
    "(SELECT group_id FROM group_members WHERE user_id = ?)) ";

Project read_project(const Row& row) {
  return {row.text(0), row.text(1), row.text_or_empty(2), row.integer(3), optional_integer(row, 4)};
}

std::vector<Project> read_projects(const std::vector<Row>& rows) {
  std::vector<Project> projects;
  for (const Row& row : rows) projects.push_back(read_project(row));
  return projects;
}

std::optional<Project> first_project(const std::vector<Row>& rows) {
  if (rows.empty()) return std::nullopt;
  return read_project(rows[0]);
}

}  // namespace

Status add_project(Transaction& transaction, const Project& project) {
  MARU_RETURN_IF_ERROR(transaction.execute(
      "INSERT INTO projects (id, name, owner_group_id, created_at, archived_at) "
      "VALUES (?, ?, ?, ?, ?)",
      {project.id, project.name, text_or_null(project.owner_group_id), project.created_at,
       integer_or_null(project.archived_at)}));
  return {};
}

Result<std::optional<Project>> find_project(Transaction& transaction, std::string_view id) {
  MARU_ASSIGN_OR_RETURN(
      const auto rows, transaction.query(std::string(kSelect) + "WHERE id = ?", {std::string(id)}));
  return first_project(rows);
}

Result<std::optional<Project>> find_project_of(Transaction& transaction, std::string_view user_id,
                                               std::string_view id) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query(std::string(kSelect) + "WHERE id = ? AND " + kOfUser,
                                          {std::string(id), std::string(user_id)}));
  return first_project(rows);
}

Result<std::vector<Project>> list_projects(Transaction& transaction) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(std::string(kSelect) + "ORDER BY name"));
  return read_projects(rows);
}

Result<std::vector<Project>> list_projects_of(Transaction& transaction, std::string_view user_id) {
  MARU_ASSIGN_OR_RETURN(const auto rows, transaction.query(std::string(kSelect) + "WHERE " +
                                                               kOfUser + "ORDER BY name",
                                                           {std::string(user_id)}));
  return read_projects(rows);
}

Result<bool> update_project(Transaction& transaction, const Project& project) {
  MARU_ASSIGN_OR_RETURN(
      const int64_t n,
      transaction.execute(
          "UPDATE projects SET name = ?, owner_group_id = ?, archived_at = ? WHERE id = ?",
          {project.name, text_or_null(project.owner_group_id), integer_or_null(project.archived_at),
           project.id}));
  return n > 0;
}

}  // namespace maru::store
