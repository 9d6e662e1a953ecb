// Logins that go on, found by the hash of what the browser's cookie holds, and links that work
// once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Session {
  std::string id;
  std::string user_id;
  std::string token_hash;  // 64 hexadecimal digits
  int64_t created_at = 0, last_seen_at = 0, expires_at = 0;
  std::string remote, user_agent;
};

Status add_session(Transaction& transaction, const Session& session);
Result<std::optional<Session>> find_session_by_hash(Transaction& transaction,
                                                    std::string_view token_hash);
Result<std::optional<Session>> find_session(Transaction& transaction, std::string_view id);
// The user's own; the last seen first.
Result<std::vector<Session>> list_sessions_of(Transaction& transaction, std::string_view user_id);
// False unless it is the user's.
Result<bool> end_session_of(Transaction& transaction, std::string_view user_id,
                            std::string_view id);
// All of the user's but `kept` (which may be empty). How many.
Result<int64_t> end_sessions_of(Transaction& transaction, std::string_view user_id,
                                std::string_view kept);
Status touch_session(Transaction& transaction, std::string_view id, int64_t now);
Status remove_expired_sessions(Transaction& transaction, int64_t now);

struct LoginLink {
  std::string token_hash;
  std::string user_id;  // empty: of nobody yet
  std::string purpose;
  int64_t expires_at = 0;
};

// Older links of that purpose and user end with it.
Status add_login_link(Transaction& transaction, const LoginLink& link);
Result<bool> has_login_link(Transaction& transaction, std::string_view token_hash,
                            std::string_view purpose, int64_t now);
// Marks the link as used. False if there is none of that purpose that still works.
Result<bool> use_login_link(Transaction& transaction, std::string_view token_hash,
                            std::string_view purpose, int64_t now);

}  // namespace maru::store
