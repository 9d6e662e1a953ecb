// Projects: what API keys are grouped and paid by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Project {
  std::string id;
  std::string name;            // unique
  std::string owner_group_id;  // its members may make keys for the project; empty: everybody may
  int64_t created_at = 0;
  std::optional<int64_t> archived_at;
};

// Errors: kConflict (the name is taken, or there is no such group).
Status add_project(Transaction& transaction, const Project& project);
Result<std::optional<Project>> find_project(Transaction& transaction, std::string_view id);
// Not archived, and the user's: of no group or of one the user belongs to.
Result<std::optional<Project>> find_project_of(Transaction& transaction, std::string_view user_id,
                                               std::string_view id);
Result<std::vector<Project>> list_projects(Transaction& transaction);  // by name
// All that find_project_of() finds, by name.
Result<std::vector<Project>> list_projects_of(Transaction& transaction, std::string_view user_id);
// Writes name, owner_group_id and archived_at. False if there is no such project.
Result<bool> update_project(Transaction& transaction, const Project& project);

}  // namespace maru::store
