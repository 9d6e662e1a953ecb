// JSON of people, groups, projects, keys and sessions, and what the calls about them share. Times
// are Unix milliseconds.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/endpoint.h"
#include "api/wire/fields.h"
#include "base/json.h"
#include "service/accounts.h"

namespace maru::api {

Json user_json(const service::User& user);
Json group_json(const service::GroupView& group);
Json project_json(const service::Project& project);
Json key_json(const service::ApiKey& key);
Json new_key_json(const service::NewKey& made);  // with the secret, this once
// `current`: the id of the session that asks.
Json session_json(const service::Session& session, const std::string& current);

// Reads the call's body as one object with these fields. What is wrong is answered here, and false
// returned.
bool read_object(const Call& call, std::span<const FieldSpec> fields,
                 const std::function<void(ObjectReader&)>& read);

// "name", "scopes", "project_id", "expires_at" of a body.
service::KeyWish read_key_wish(ObjectReader& body);
std::optional<service::Role> read_role(ObjectReader& body);

// The result as JSON, or its error.
template <class T, class Print>
void answer_with(const Call& call, const Result<T>& result, Print print) {
  if (!result) return call.fail(to_api_error(result.error()));
  call.answer(dump_json(print(*result)));
}
// {"data": [...]}
template <class T, class Print>
void answer_with_list(const Call& call, const Result<std::vector<T>>& items, Print print) {
  answer_with(call, items, [&](const std::vector<T>& list) {
    Json data = Json::array();
    for (const T& item : list) data.push_back(print(item));
    return Json{{"data", std::move(data)}};
  });
}
// 429 with Retry-After, for logins that failed too often.
void refuse_attempts(const Call& call, int64_t seconds);
// {"done": true}
void answer_done(const Call& call, const Status& status);

}  // namespace maru::api
