// Branches that others of the organisation may read by a random token, until it is revoked. All but
// read_share() take the person's id and find nothing of others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Share {
  std::string id = {}, user_id = {};
  std::string message_id = {};  // the last message of the branch
  std::string token = {};
  int64_t created_at = 0;
};

// Errors: kNotFound (the person has no such message).
Status add_share(Transaction& transaction, const Share& share);
// The newest first.
Result<std::vector<Share>> list_shares(Transaction& transaction, std::string_view user_id);
// The token opens nothing any more.
Result<bool> remove_share(Transaction& transaction, std::string_view user_id, std::string_view id);

// Anybody's, by its token.
Result<std::optional<Share>> read_share(Transaction& transaction, std::string_view token);

}  // namespace maru::store
