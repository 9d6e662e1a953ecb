// Files that are attached to messages, as a model reads them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/database.h"
#include "store/messages.h"

namespace maru::service {

// Of all files of a branch together.
inline constexpr int64_t kMaxAttachedBytes = int64_t{8} << 20;

// Puts the text of each message's files before its own, each marked with its name; of a deleted one
// just that. Errors: kInvalidArgument, param "files" (a file is no UTF-8 text, or all are too
// large), those of the store.
Status put_files_first(store::Transaction& transaction, const std::string& owner,
                       std::vector<store::Message>& branch);

}  // namespace maru::service
