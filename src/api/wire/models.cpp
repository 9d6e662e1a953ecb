#include "api/wire/models.h"

#include "base/json.h"

namespace maru::api {
namespace {

Json capabilities(const service::ModelFacts& facts) {
  Json list = Json::array();
  if (facts.can_chat) list.push_back("chat");
  if (facts.can_complete) list.push_back("completion");
  if (facts.can_embed) list.push_back("embeddings");
  if (facts.can_rerank) list.push_back("rerank");
  if (facts.can_reason) list.push_back("reasoning");
  if (facts.can_call_tools) list.push_back("tools");
  return list;
}

Json problem_json(const Error& error) {
  if (error.message.empty()) return nullptr;
  return Json{{"message", error.message}, {"hint", error.hint}};
}

}  // namespace

Json model_json(const service::ModelStatus& model, const service::ModelFacts& facts) {
  const bool is_loaded = model.state == service::ModelState::kLoaded;
  const uint32_t context = is_loaded ? model.plan.context_length : facts.context_length;
  Json own;
  own["state"] = service::model_state_name(model.state);
  own["size_bytes"] = facts.file_bytes;
  own["memory_bytes"] = is_loaded ? Json(model.plan.total_bytes) : Json(nullptr);
  own["context_length"] = context;
  own["capabilities"] = capabilities(facts);
  own["family"] = facts.family.empty() ? Json(nullptr) : Json(facts.family);
  own["aliases"] = model.policy.aliases;
  own["default"] = model.policy.is_default;
  own["pinned"] = model.policy.is_pinned;
  own["error"] = problem_json(facts.problem.message.empty() ? model.last_error : facts.problem);

  Json json;
  json["id"] = model.name;
  json["object"] = "model";
  json["created"] = facts.created_unix_seconds;
  json["owned_by"] = "maru";
  json["context_length"] = context;  // beyond OpenAI's fields, as other servers have it
  json["maru"] = std::move(own);
  return json;
}

Json model_json(const service::ServedEncoder& model) {
  const models::EncoderInfo& info = model.encoder->info();
  service::ModelFacts facts;
  facts.family = info.architecture;
  facts.file_bytes = model.file_bytes;
  facts.context_length = info.max_tokens;
  facts.created_unix_seconds = model.created_unix_seconds;
  (model.is_reranker() ? facts.can_rerank : facts.can_embed) = true;
  service::ModelStatus status;
  status.name = model.name;
  status.state = service::ModelState::kLoaded;
  status.policy.is_pinned = true;
  status.plan.total_bytes = info.memory_bytes;
  status.plan.context_length = info.max_tokens;
  return model_json(status, facts);
}

}  // namespace maru::api
