#include "apps/conversation.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/json.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;

Error bad_file(const std::string& path, const std::string& what) {
  return {ErrorCode::kInvalidArgument, path + ": " + what,
          R"(a conversation is {"messages": [{"role": "user", "content": "..."}, ...]})"};
}

Status check_messages(const Json& messages, const std::string& path) {
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    const std::string where = fmt::format("message {}", i);
    if (!message.is_object()) return bad_file(path, where + " is not an object");
    for (const char* key : {"role", "content"}) {
      if (!message.contains(key) || !message[key].is_string()) {
        return bad_file(path, fmt::format("{} has no text \"{}\"", where, key));
      }
    }
    const auto role = message["role"].get<std::string>();
    if (role != "system" && role != "user" && role != "assistant") {
      return bad_file(path, fmt::format("{} has the unknown role \"{}\"", where, role));
    }
  }
  return {};
}

}  // namespace

Conversation::Conversation() : messages_(std::make_unique<Json>(Json::array())) {}
Conversation::~Conversation() = default;
Conversation::Conversation(Conversation&&) noexcept = default;
Conversation& Conversation::operator=(Conversation&&) noexcept = default;

void Conversation::reset() {
  Json kept = Json::array();
  if (!messages_->empty() && (*messages_)[0]["role"] == "system") kept.push_back((*messages_)[0]);
  *messages_ = std::move(kept);
}

void Conversation::set_system(const std::string& text) {
  *messages_ = Json::array();
  if (!text.empty()) add("system", text);
}

void Conversation::add(const std::string& role, const std::string& content) {
  messages_->push_back({{"role", role}, {"content", content}});
}

void Conversation::drop_last() {
  if (!messages_->empty()) messages_->erase(messages_->size() - 1);
}

size_t Conversation::size() const { return messages_->size(); }

Status Conversation::save(const std::string& path, const std::string& model) const {
  const Json file = {{"model", model}, {"messages", *messages_}};
  return write_file_atomically(path, dump_json(file) + "\n");
}

Status Conversation::load(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxFileBytes));
  const auto json = parse_json(text);
  if (!json) return bad_file(path, json.error().message);
  const Json* messages = &*json;
  if (json->is_object() && json->contains("messages")) messages = &(*json)["messages"];
  if (!messages->is_array()) return bad_file(path, "holds no list of messages");
  MARU_RETURN_IF_ERROR(check_messages(*messages, path));
  Json kept = Json::array();
  for (const Json& message : *messages) {
    kept.push_back({{"role", message["role"]}, {"content", message["content"]}});
  }
  *messages_ = std::move(kept);
  return {};
}

}  // namespace maru::apps
