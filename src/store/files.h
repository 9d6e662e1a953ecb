// Files that people attach to chats, with their content. Every function takes the person's id and
// finds nothing of others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct File {
  std::string id = {}, user_id = {}, name = {}, media_type = {};
  int64_t size = 0;         // bytes
  std::string sha256 = {};  // 64 hexadecimal digits
  int64_t created_at = 0;
};

Status add_file(Transaction& transaction, const File& file, std::string content);
Result<std::optional<File>> find_file(Transaction& transaction, std::string_view user_id,
                                      std::string_view id);
Result<std::optional<std::string>> read_file(Transaction& transaction, std::string_view user_id,
                                             std::string_view id);
// The newest first.
Result<std::vector<File>> list_files(Transaction& transaction, std::string_view user_id);
Result<int64_t> bytes_of_files(Transaction& transaction, std::string_view user_id);
Result<bool> remove_file(Transaction& transaction, std::string_view user_id, std::string_view id);

}  // namespace maru::store
