#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "service/chats.h"

namespace maru::service {
namespace {

Status check_message(const ImportedMessage& message, size_t place) {
  const std::string path = fmt::format("messages[{}]", place);
  const std::string content = path + ".content";
  MARU_RETURN_IF_ERROR(check_length(message.content, 0, kMaxMessageCharacters, content.c_str()));
  MARU_RETURN_IF_ERROR(check_length(message.model, 0, kMaxTitleCharacters, "model"));
  if (!message.parent || *message.parent < place) return {};
  return Error{ErrorCode::kInvalidArgument, "a message has to come behind its parent",
               "send parents first", path + ".parent", Reason{"import_broken"}};
}

Status check_chat(const ImportedChat& wish) {
  MARU_RETURN_IF_ERROR(check_length(wish.title, 0, kMaxTitleCharacters, "title"));
  const size_t n = wish.messages.size();
  if (n == 0 || n > kMaxMessagesOfChat) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("a chat has 1 to {} messages, not {}", kMaxMessagesOfChat, n),
                 "split it", "messages",
                 Reason{"import_size", {{"max", kMaxMessagesOfChat}, {"n", n}}}};
  }
  for (size_t i = 0; i < n; ++i) MARU_RETURN_IF_ERROR(check_message(wish.messages[i], i));
  if (!wish.leaf || *wish.leaf < n) return {};
  return Error{ErrorCode::kInvalidArgument, "the leaf is none of the messages",
               "send the place of one", "leaf", Reason{"import_broken"}};
}

}  // namespace

Result<Chat> Chats::import_chat(const std::string& owner, const ImportedChat& wish) {
  MARU_RETURN_IF_ERROR(check_chat(wish));
  const int64_t now = clock_();
  const auto time_of = [now](int64_t time, int64_t otherwise) {
    return time <= 0 ? otherwise : std::min(time, now);
  };
  Chat chat;
  chat.id = random_id("chat_");
  chat.user_id = owner;
  chat.title = wish.title;
  chat.settings = "{}";
  chat.created_at = chat.updated_at = time_of(wish.created_at, now);
  std::vector<std::string> ids;
  const Status written = database_->write([&](store::Transaction& t) -> Status {
    ids.clear();
    MARU_RETURN_IF_ERROR(store::add_chat(t, chat));
    for (const ImportedMessage& one : wish.messages) {
      Message message;
      message.id = ids.emplace_back(random_id("msg_"));
      message.chat_id = chat.id;
      if (one.parent) message.parent_id = ids[*one.parent];
      message.role = one.role;
      message.content = one.content;
      message.model = one.model;
      message.created_at = time_of(one.created_at, chat.created_at);
      MARU_ASSIGN_OR_RETURN(message.seq, store::add_message(t, owner, message));
      MARU_RETURN_IF_ERROR(index_content(t, owner, chat, message.seq, message.content));
      if (chat.title.empty() && one.role == "user") chat.title = title_of(one.content);
      chat.updated_at = std::max(chat.updated_at, message.created_at);
    }
    chat.leaf_id = ids[wish.leaf.value_or(ids.size() - 1)];
    MARU_RETURN_IF_ERROR(store::update_chat(t, chat));
    return {};
  });
  MARU_RETURN_IF_ERROR(written);
  announce(owner, "chat", chat.id);
  return chat;
}

}  // namespace maru::service
