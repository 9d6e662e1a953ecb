// Groups, who belongs to them, and what they allow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Group {
  std::string id;
  std::string name;  // unique
  int64_t created_at = 0;
};

// Something a group allows: kind is "model", "feature" or "egress".
struct Rule {
  std::string kind, name;
  bool operator==(const Rule&) const = default;
};

// Errors: kConflict (the name is taken).
Status add_group(Transaction& transaction, const Group& group);
Result<std::optional<Group>> find_group(Transaction& transaction, std::string_view id);
Result<std::optional<Group>> find_group_by_name(Transaction& transaction, std::string_view name);
Result<std::vector<Group>> list_groups(Transaction& transaction);  // by name
// Its members and rules go with it. False if there is no such group.
Result<bool> remove_group(Transaction& transaction, std::string_view id);

// Errors: kConflict (there is no such group or user). Adding twice is fine.
Status add_member(Transaction& transaction, std::string_view group_id, std::string_view user_id);
Result<bool> remove_member(Transaction& transaction, std::string_view group_id,
                           std::string_view user_id);
// Names and ids of users, by name.
struct Member {
  std::string user_id, name;
};
Result<std::vector<Member>> list_members(Transaction& transaction, std::string_view group_id);
Result<std::vector<std::string>> group_ids_of(Transaction& transaction, std::string_view user_id);

Status add_rule(Transaction& transaction, std::string_view group_id, const Rule& rule);
Result<bool> remove_rule(Transaction& transaction, std::string_view group_id, const Rule& rule);
Result<std::vector<Rule>> list_rules(Transaction& transaction, std::string_view group_id);
// Of all groups that the user belongs to, each once.
Result<std::vector<Rule>> rules_of(Transaction& transaction, std::string_view user_id);

}  // namespace maru::store
