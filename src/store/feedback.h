// What people think of answers: a thumb with reasons, an edit, a second answer asked for, a vote
// between answers. Every function takes the person's id and finds nothing of others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Feedback {
  std::string id = {}, user_id = {};
  std::string message_id = {};  // the answer that is meant
  std::string kind = {};        // "thumb", "edit", "regeneration" or "vote"
  std::string detail = "{}";    // JSON: thumb, reasons, comment, text, over
  std::string context = "[]";   // JSON: ids of the messages that led to the answer, in order
  int64_t created_at = 0;
};

// Errors: kNotFound (the person has no such message). A person has one thumb for a message: a new
// one takes the place of the old.
Status add_feedback(Transaction& transaction, const Feedback& feedback);
// The oldest first; of one message, or of all if `message_id` is empty.
Result<std::vector<Feedback>> list_feedback(Transaction& transaction, std::string_view user_id,
                                            std::string_view message_id);
// Of all messages of a chat.
Result<std::vector<Feedback>> list_feedback_of_chat(Transaction& transaction,
                                                    std::string_view user_id,
                                                    std::string_view chat_id);
// What all people's votes say (`detail`), to be counted; of no person's texts.
Result<std::vector<std::string>> list_votes(Transaction& transaction);
Result<bool> remove_feedback(Transaction& transaction, std::string_view user_id,
                             std::string_view id);

}  // namespace maru::store
