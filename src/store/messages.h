// The messages of chats: a tree, because an edited question and a second answer are branches beside
// the first. Every function takes the person's id and finds
// nothing of others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace maru::store {

struct Message {
  int64_t seq = 0;  // grows with every message of all chats; given by add_message()
  std::string id = {}, chat_id = {};
  std::string parent_id = {};  // empty: the beginning of a branch
  std::string role = {};       // "system", "user", "assistant" or "tool"
  std::string content = {};    // text
  std::string extra = "{}";    // JSON: reasoning, tool calls, files, usage, the reason of a failure
  std::string model = {};      // that answered; empty for what people write
  std::string state = "complete";  // or "running", "stopped", "failed"
  int64_t created_at = 0;
};

// Returns its seq. Errors: kNotFound (the person has no such chat, or the chat no such parent).
Result<int64_t> add_message(Transaction& transaction, std::string_view user_id,
                            const Message& message);
Result<std::optional<Message>> find_message(Transaction& transaction, std::string_view user_id,
                                            std::string_view id);
// All branches, in the order in which they came.
Result<std::vector<Message>> list_messages(Transaction& transaction, std::string_view user_id,
                                           std::string_view chat_id);
Result<size_t> count_messages(Transaction& transaction, std::string_view user_id,
                              std::string_view chat_id);
// From the beginning to `id`. Empty if there is no such message.
Result<std::vector<Message>> branch_of(Transaction& transaction, std::string_view user_id,
                                       std::string_view id);
// Content, extra, model and state.
Result<bool> update_message(Transaction& transaction, std::string_view user_id,
                            const Message& message);
// With all that follow it.
Result<bool> remove_message(Transaction& transaction, std::string_view user_id,
                            std::string_view id);
// Answers that a crash left "running" become "stopped"; with their persons' ids.
struct StoppedMessage {
  std::string user_id = {};
  Message message = {};
};
Result<std::vector<StoppedMessage>> stop_running_messages(Transaction& transaction);

}  // namespace maru::store
