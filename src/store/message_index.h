// The index by which messages are found: full text over the words that text/search_words.h gives.
// Every function takes the person's id and touches nothing of others.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

// Makes a message findable by these words (text/search_words.h), instead of those it had.
Status index_message(Transaction& transaction, std::string_view user_id, int64_t seq,
                     std::span<const std::string> words);

// To be called before the messages themselves are removed: those of a chat, or one and all that
// follow it.
Status forget_words_of_chat(Transaction& transaction, std::string_view user_id,
                            std::string_view chat_id);
Status forget_words_of_branch(Transaction& transaction, std::string_view user_id,
                              std::string_view message_id);

// Words that stand one behind the other; of a prefix, the last goes on as it likes.
struct SearchedWords {
  std::vector<std::string> words = {};
  bool is_prefix = false;
};
struct SearchHit {
  int64_t seq = 0;
  std::string message_id = {}, chat_id = {}, chat_title = {}, content = {};
  int64_t created_at = 0;
};
// The newest first, from before `before_seq` on (0: from the newest). All of `terms` are in each.
// Temporary chats are left out.
Result<std::vector<SearchHit>> search_messages(Transaction& transaction, std::string_view user_id,
                                               std::span<const SearchedWords> terms,
                                               int64_t before_seq, size_t limit);

}  // namespace maru::store
