#include <algorithm>
#include <array>

#include "api/wire/requests.h"
#include "base/json.h"
#include "base/log.h"

namespace maru::api {
namespace {

constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                    "assistant", "tool",      "function"};

constexpr FieldSpec kMessageFields[] = {
    {"role", Support::kSupported},
    {"content", Support::kSupported},
    {"name", Support::kSupported},
    {"tool_calls", Support::kSupported},
    {"tool_call_id", Support::kSupported},
    {"function_call", Support::kSupported},
    {"refusal", Support::kRefused},
    {"audio", Support::kRefused},
    // What this server itself sends in an answer, so that answers can be sent back.
    {"annotations", Support::kNeutral, [](const Json& v) { return v.is_array() && v.empty(); }},
};

// Text parts become one text, a line break between them.
std::optional<std::string> parse_content(ObjectReader& message) {
  const Json* content = message.find("content");
  if (!content) return std::nullopt;
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) {
    message.wrong_type("content", "a string or an array of text parts");
    return std::nullopt;
  }
  if (content->empty()) message.wrong_value("content", "is an empty array");
  static constexpr FieldSpec kPartFields[] = {{"type", Support::kSupported},
                                              {"text", Support::kSupported}};
  std::string text;
  for (size_t i = 0; i < content->size(); ++i) {
    const Json& part = (*content)[i];
    const std::string path = fmt::format("{}[{}]", message.path_of("content"), i);
    if (!part.is_object()) {
      message.problems().add(path, "invalid_type", fmt::format("'{}' must be an object", path));
      return std::nullopt;
    }
    ObjectReader reader(part, path, message.problems());
    reader.require("type");
    const std::string type = reader.string("type").value_or("");
    if (type != "text") {
      reader.wrong_value("type", "must be \"text\": this server's models read text only");
      return std::nullopt;
    }
    reader.check_fields(kPartFields);
    reader.require("text");
    if (i > 0) text += "\n";
    text += reader.string("text").value_or("");
  }
  return text;
}

// {"name", "arguments"}: templates print arguments as JSON, so an object is given to them where
// the client's string holds one.
Json parse_function(const Json& function, const std::string& path, Problems& problems) {
  static constexpr FieldSpec kFields[] = {{"name", Support::kSupported},
                                          {"arguments", Support::kSupported}};
  ObjectReader reader(function, path, problems);
  reader.check_fields(kFields);
  reader.require("name");
  reader.require("arguments");
  Json result;
  result["name"] = reader.string("name").value_or("");
  const std::string arguments = reader.string("arguments").value_or("");
  auto parsed = parse_json(arguments, {.max_bytes = size_t{1} << 20, .max_depth = 32});
  result["arguments"] = parsed && parsed->is_object() ? std::move(parsed).value() : Json(arguments);
  return result;
}

Json parse_tool_calls(ObjectReader& message, const Json& calls) {
  static constexpr FieldSpec kFields[] = {{"id", Support::kSupported},
                                          {"type", Support::kSupported},
                                          {"function", Support::kSupported}};
  Json result = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", message.path_of("tool_calls"), i);
    if (!calls[i].is_object()) {
      message.problems().add(path, "invalid_type", fmt::format("'{}' must be an object", path));
      break;
    }
    ObjectReader reader(calls[i], path, message.problems());
    reader.check_fields(kFields);
    for (const char* name : {"id", "type", "function"}) reader.require(name);
    Json call;
    call["id"] = reader.string("id").value_or("");
    if (reader.string("type").value_or("function") != "function") {
      reader.wrong_value("type", "must be \"function\"");
    }
    call["type"] = "function";
    if (const Json* function = reader.object("function")) {
      call["function"] = parse_function(*function, path + ".function", message.problems());
    }
    result.push_back(std::move(call));
  }
  return result;
}

Json parse_message(const Json& given, const std::string& path, Problems& problems) {
  ObjectReader message(given, path, problems);
  message.require("role");
  const std::string role = message.string("role").value_or("");
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    message.wrong_value("role", "must be system, developer, user, assistant, tool or function");
  }
  message.check_fields(kMessageFields);
  Json result;
  result["role"] = role;
  std::optional<std::string> content = parse_content(message);
  const bool may_be_empty =
      role == "assistant" && (message.find("tool_calls") || message.find("function_call"));
  if (!content && !may_be_empty) message.require("content");
  result["content"] = content ? Json(std::move(*content)) : Json("");
  if (auto name = message.string("name")) result["name"] = std::move(*name);
  if (role == "tool") message.require("tool_call_id");
  if (role == "function") message.require("name");
  if (auto id = message.string("tool_call_id")) {
    if (role != "tool") message.wrong_value("tool_call_id", "belongs to messages of role tool");
    result["tool_call_id"] = std::move(*id);
  }
  for (const char* field : {"tool_calls", "function_call"}) {
    if (message.find(field) && role != "assistant") {
      message.wrong_value(field, "belongs to messages of role assistant");
    }
  }
  if (const Json* calls = message.array("tool_calls"); calls && !calls->empty()) {
    result["tool_calls"] = parse_tool_calls(message, *calls);
  }
  if (const Json* call = message.object("function_call")) {
    result["function_call"] = parse_function(*call, message.path_of("function_call"), problems);
  }
  return result;
}

}  // namespace

Json parse_messages(ObjectReader& body) {
  Json result = Json::array();
  body.require("messages");
  const Json* messages = body.array("messages");
  if (!messages) return result;
  if (messages->empty() || messages->size() > kMaxMessages) {
    body.wrong_value("messages", fmt::format("must hold 1 to {} messages, not {}", kMaxMessages,
                                             messages->size()));
    return result;
  }
  for (size_t i = 0; i < messages->size() && !body.problems().any(); ++i) {
    const std::string path = fmt::format("{}[{}]", body.path_of("messages"), i);
    const Json& message = (*messages)[i];
    if (!message.is_object()) {
      body.problems().add(
          path, "invalid_type",
          fmt::format("'{}' must be an object, not {}", path, json_type_name(message)));
      break;
    }
    result.push_back(parse_message(message, path, body.problems()));
  }
  return result;
}

service::ChatPrompt parse_chat_prompt(ObjectReader& body) {
  service::ChatPrompt prompt;
  prompt.messages = std::make_shared<const Json>(parse_messages(body));
  if (const Json* extra = body.object("chat_template_kwargs")) {
    for (const char* reserved :
         {"messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"}) {
      if (extra->contains(reserved)) {
        body.problems().add(body.path_of("chat_template_kwargs") + "." + reserved, "invalid_value",
                            fmt::format("'chat_template_kwargs' may not set '{}'", reserved));
      }
    }
    prompt.extra = std::make_shared<const Json>(*extra);
  }
  return prompt;
}

}  // namespace maru::api
