// Chats and what belongs to them as JSON, both ways, and what their endpoints share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/endpoint.h"
#include "api/wire/fields.h"
#include "base/json.h"
#include "service/chats.h"
#include "service/personal.h"
#include "service/runs.h"

namespace maru::api {

Json chat_json(const service::Chat& chat);
Json message_json(const service::Message& message);
Json folder_json(const service::Folder& folder);
Json file_json(const service::File& file);
Json feedback_json(const service::Feedback& feedback);
Json assistant_json(const service::Assistant& assistant, const std::string& owner);
Json memory_json(const service::Memory& memory);
Json prompt_json(const service::SavedPrompt& prompt);
Json share_json(const service::Share& share);
Json snippet_json(const text::SearchSnippet& snippet);
Json run_event_json(const service::RunEvent& event);
Json change_json(const service::Change& change);

// {"data": [...], "next": cursor or null}
template <class List, class ToJson>
Json list_json(const List& list, const ToJson& to_json, const std::string& next = {}) {
  Json json = Json::object();
  json["data"] = Json::array();
  for (const auto& item : list) json["data"].push_back(to_json(item));
  json["next"] = next.empty() ? Json(nullptr) : Json(next);
  return json;
}

// Of the reader's object itself, and of its field "settings".
service::ChatSettings parse_settings(ObjectReader& reader);
std::span<const FieldSpec> settings_fields();
std::optional<service::ChatSettings> parse_settings_field(ObjectReader& body);
std::optional<std::vector<std::string>> parse_strings(ObjectReader& body, std::string_view name,
                                                      size_t max);

// Reads the body as an object with these fields only and answers with what is wrong, or gives it.
std::optional<Json> read_body(const Call& call, std::span<const FieldSpec> fields);
// The one parameter that the URL's query may have, "" if it has none. Errors: kInvalidArgument.
Result<std::string> read_parameter(const Call& call, std::string_view name);
// kNotFound is of the thing, not of a model.
ApiError shown_error(const Error& error);
// Answers with an error.
void fail(const Call& call, const Error& error);
void answer(const Call& call, const Json& json, int status = 200);
// {"deleted": true}, or the error.
void answer_deleted(const Call& call, const Status& status);

// An endpoint's handler for where there is a database; without one, it answers that there is none.
template <void (*kHandle)(const Call& call)>
void with_chats(const Call& call) {
  if (call.context->chats) return kHandle(call);
  call.fail(make_http_error(503, "this server keeps no chats: it has no database"));
}

}  // namespace maru::api
