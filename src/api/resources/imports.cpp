// Chats that come from elsewhere: from other programs' archives, as the page reads them.
#include <fmt/format.h>

#include "api/chat_wire.h"

namespace maru::api {
namespace {

constexpr Access kAccess{Who::kCaller, Scope::kChats, Feature::kChats};

constexpr FieldSpec kChat[] = {{"title", Support::kSupported},
                               {"created_at", Support::kSupported},
                               {"messages", Support::kSupported},
                               {"leaf", Support::kSupported}};
constexpr FieldSpec kMessage[] = {{"role", Support::kSupported},
                                  {"content", Support::kSupported},
                                  {"model", Support::kSupported},
                                  {"created_at", Support::kSupported},
                                  {"parent", Support::kSupported}};

std::optional<size_t> read_place(ObjectReader& reader, const char* name) {
  const auto place = reader.integer(name, 0, static_cast<int64_t>(service::kMaxMessagesOfChat) - 1);
  return place ? std::optional(static_cast<size_t>(*place)) : std::nullopt;
}

service::ImportedMessage read_message(const Json& json, size_t place, Problems& problems) {
  ObjectReader reader(json, fmt::format("messages[{}]", place), problems);
  reader.check_fields(kMessage);
  service::ImportedMessage message;
  for (const char* name : {"role", "content"}) reader.require(name);
  message.role = reader.string("role").value_or("user");
  if (message.role != "user" && message.role != "assistant" && message.role != "system") {
    reader.wrong_value("role", "must be user, system or assistant");
  }
  message.content = reader.string("content").value_or("");
  message.model = reader.string("model").value_or("");
  message.created_at = reader.integer("created_at", 0, INT64_MAX).value_or(0);
  message.parent = read_place(reader, "parent");
  return message;
}

void import_chat(const Call& call) {
  const auto body = read_body(call, kChat);
  if (!body) return;
  Problems problems;
  ObjectReader reader(*body, "", problems);
  service::ImportedChat wish;
  wish.title = reader.string("title").value_or("");
  wish.created_at = reader.integer("created_at", 0, INT64_MAX).value_or(0);
  wish.leaf = read_place(reader, "leaf");
  reader.require("messages");
  if (const Json* messages = reader.array("messages")) {
    if (messages->size() > service::kMaxMessagesOfChat) {
      reader.wrong_value("messages", "holds too many messages");
    }
    for (size_t i = 0; i < messages->size() && !problems.any(); ++i) {
      const Json& message = (*messages)[i];
      if (!message.is_object()) {
        reader.wrong_value("messages", "must hold objects only");
        break;
      }
      wish.messages.push_back(read_message(message, i, problems));
    }
  }
  if (problems.any()) return call.fail(problems.first());
  const auto chat = call.context->chats->chats->import_chat(service::owner_of(call.identity), wish);
  if (!chat) return fail(call, chat.error());
  answer(call, chat_json(*chat), 201);
}

constexpr Endpoint kEndpoints[] = {
    {"import_chat", "POST", "/api/chats/import", Run::kWorker, kAccess, with_chats<import_chat>},
};

}  // namespace

extern const Resource resource_imports;
const Resource resource_imports{kEndpoints};

}  // namespace maru::api
