#include "api/chat_wire.h"

#include <fmt/format.h>

#include "api/wire/body.h"
#include "api/wire/query.h"
#include "api/wire/requests.h"

namespace maru::api {
namespace {

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
Json or_null(const std::optional<int64_t>& time) { return time ? Json(*time) : Json(nullptr); }

// JSON that the store keeps as text.
Json stored(const std::string& text) {
  auto parsed = parse_json(text);
  return parsed ? std::move(*parsed) : Json(nullptr);
}

constexpr FieldSpec kSettings[] = {
    {"model", Support::kSupported},       {"assistant", Support::kSupported},
    {"system", Support::kSupported},      {"temperature", Support::kSupported},
    {"top_p", Support::kSupported},       {"min_p", Support::kSupported},
    {"top_k", Support::kSupported},       {"max_tokens", Support::kSupported},
    {"seed", Support::kSupported},        {"stop", Support::kSupported},
    {"use_memories", Support::kSupported}};

}  // namespace

Json chat_json(const service::Chat& chat) {
  return Json{{"id", chat.id},
              {"title", chat.title},
              {"folder", or_null(chat.folder_id)},
              {"tags", chat.tags},
              {"settings", stored(chat.settings)},
              {"leaf", or_null(chat.leaf_id)},
              {"temporary", chat.is_temporary},
              {"created_at", chat.created_at},
              {"updated_at", chat.updated_at},
              {"pinned_at", or_null(chat.pinned_at)},
              {"archived_at", or_null(chat.archived_at)}};
}

Json message_json(const service::Message& message) {
  return Json{{"id", message.id},
              {"chat", message.chat_id},
              {"parent", or_null(message.parent_id)},
              {"role", message.role},
              {"content", message.content},
              {"model", or_null(message.model)},
              {"state", message.state},
              {"extra", stored(message.extra)},
              {"created_at", message.created_at}};
}

Json folder_json(const service::Folder& folder) {
  return Json{{"id", folder.id}, {"name", folder.name}, {"created_at", folder.created_at}};
}

Json file_json(const service::File& file) {
  return Json{{"id", file.id},     {"name", file.name},     {"media_type", file.media_type},
              {"size", file.size}, {"sha256", file.sha256}, {"created_at", file.created_at}};
}

Json feedback_json(const service::Feedback& feedback) {
  return Json{{"id", feedback.id},
              {"message", feedback.message_id},
              {"kind", feedback.kind},
              {"detail", stored(feedback.detail)},
              {"context", stored(feedback.context)},
              {"created_at", feedback.created_at}};
}

Json assistant_json(const service::Assistant& assistant, const std::string& owner) {
  return Json{{"id", assistant.id},
              {"name", assistant.name},
              {"instructions", assistant.instructions},
              {"settings", stored(assistant.settings)},
              {"group", or_null(assistant.group_id)},
              {"picture", assistant.picture},
              {"starters", stored(assistant.starters)},
              {"own", assistant.user_id == owner},
              {"created_at", assistant.created_at},
              {"updated_at", assistant.updated_at}};
}

Json memory_json(const service::Memory& memory) {
  return Json{{"id", memory.id},
              {"content", memory.content},
              {"created_at", memory.created_at},
              {"updated_at", memory.updated_at}};
}

Json prompt_json(const service::SavedPrompt& prompt) {
  return Json{{"id", prompt.id},
              {"name", prompt.name},
              {"content", prompt.content},
              {"created_at", prompt.created_at},
              {"updated_at", prompt.updated_at}};
}

Json share_json(const service::Share& share) {
  return Json{{"id", share.id},
              {"message", share.message_id},
              {"token", share.token},
              {"created_at", share.created_at}};
}

Json snippet_json(const text::SearchSnippet& snippet) {
  return Json{{"before", (snippet.is_cut_before ? "…" : "") + snippet.before},
              {"match", snippet.match},
              {"after", snippet.after + (snippet.is_cut_after ? "…" : "")}};
}

Json run_event_json(const service::RunEvent& event) {
  if (event.kind == service::RunEvent::Kind::kText) {
    return Json{{"type", "text"},
                {"offset", event.offset},
                {"text", event.text},
                {"next", event.offset + event.text.size()}};
  }
  return Json{{"type", "ended"},
              {"offset", event.offset},
              {"state", event.state},
              {"extra", stored(event.extra)}};
}

Json change_json(const service::Change& change) {
  return Json{{"type", "changed"}, {"what", change.what}, {"id", change.id}, {"chat", change.chat}};
}

std::span<const FieldSpec> settings_fields() { return kSettings; }

service::ChatSettings parse_settings(ObjectReader& reader) {
  constexpr size_t kMaxId = 200;
  const auto bounded = [&](std::string_view name, size_t max) {
    auto text = reader.string(name);
    if (text && text->size() > max) {
      reader.problems().add(reader.path_of(name), "invalid_value",
                            fmt::format("'{}' is longer than {} bytes", reader.path_of(name), max),
                            Reason{"text_too_long", {{"field", std::string(name)}, {"max", max}}});
    }
    return text;
  };
  service::ChatSettings settings;
  settings.model = bounded("model", kMaxId);
  settings.assistant_id = bounded("assistant", kMaxId);
  settings.system = bounded("system", service::kMaxInstructionCharacters);
  settings.temperature = reader.number("temperature", 0.0, 2.0);
  settings.top_p = reader.number("top_p", 0.0, 1.0);
  settings.min_p = reader.number("min_p", 0.0, 1.0);
  settings.top_k = reader.integer("top_k", 0, INT32_MAX);
  settings.max_tokens = reader.integer("max_tokens", 1, INT32_MAX);
  settings.seed = reader.integer("seed", INT64_MIN, INT64_MAX);
  settings.stop = parse_strings(reader, "stop", kMaxStops);
  for (const std::string& stop : settings.stop.value_or(std::vector<std::string>())) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      reader.wrong_value("stop", fmt::format("holds a text of not 1 to {} bytes", kMaxStopBytes));
    }
  }
  settings.use_memories = reader.boolean("use_memories");
  return settings;
}

std::optional<service::ChatSettings> parse_settings_field(ObjectReader& body) {
  const Json* object = body.object("settings");
  if (object == nullptr) return std::nullopt;
  ObjectReader reader(*object, body.path_of("settings"), body.problems());
  reader.check_fields(kSettings);
  return parse_settings(reader);
}

std::optional<std::vector<std::string>> parse_strings(ObjectReader& body, std::string_view name,
                                                      size_t max) {
  const Json* array = body.array(name);
  if (array == nullptr) return std::nullopt;
  if (array->size() > max) body.wrong_value(name, fmt::format("holds more than {} texts", max));
  std::vector<std::string> list;
  for (const Json& item : *array) {
    if (!item.is_string()) {
      body.wrong_value(name, "must hold strings only");
      break;
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::optional<Json> read_body(const Call& call, std::span<const FieldSpec> fields) {
  auto body = parse_body(call.request.body.empty() ? "{}" : std::string_view(call.request.body));
  if (!body) {
    call.fail(to_api_error(body.error()));
    return std::nullopt;
  }
  Problems problems;
  ObjectReader(*body, "", problems).check_fields(fields);
  if (problems.any()) {
    call.fail(problems.first());
    return std::nullopt;
  }
  return std::move(*body);
}

Result<std::string> read_parameter(const Call& call, std::string_view name) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(call.request.query));
  MARU_RETURN_IF_ERROR(query.only({name}));
  MARU_ASSIGN_OR_RETURN(auto value, query.text(name));
  return std::move(value).value_or("");
}

ApiError shown_error(const Error& error) {
  ApiError shown = to_api_error(error);
  if (error.code == ErrorCode::kNotFound && error.param != "model") shown.code = "not_found";
  return shown;
}

void fail(const Call& call, const Error& error) { call.fail(shown_error(error)); }

void answer(const Call& call, const Json& json, int status) {
  call.writer.send({status, dump_json(json), "application/json", {}});
}

void answer_deleted(const Call& call, const Status& status) {
  if (!status) return fail(call, status.error());
  answer(call, Json{{"deleted", true}});
}

}  // namespace maru::api
