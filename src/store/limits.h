// Limits as they are kept: names and values; what they mean is the service's business
// (service/limits.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/database.h"

namespace maru::store {

struct LimitRow {
  std::string subject_kind;  // "user", "group", "project" or "key"
  std::string subject_id;    // "*": each one of that kind
  std::string name;
  int64_t value = 0;
};

// Sets or replaces.
Status set_limit(Transaction& transaction, const LimitRow& row);
// False if there was none.
Result<bool> remove_limit(Transaction& transaction, const LimitRow& row);
// By kind, id and name.
Result<std::vector<LimitRow>> list_limits(Transaction& transaction);

}  // namespace maru::store
