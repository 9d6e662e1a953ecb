// Which models of the catalogue are good for this server, as 'maru recommend' says it.
#include "api/account_answers.h"
#include "api/wire/query.h"

namespace maru::api {
namespace {

using service::Advice;

Json rounded(double value) { return static_cast<uint64_t>(value + 0.5); }

Json machine_json(const Advice& advice) {
  const service::MachineReading& reading = advice.reading;
  Json json{{"threads", advice.n_threads},
            {"isa", advice.isa},
            {"memory_bytes",
             {{"total", advice.memory.total_bytes}, {"for_models", advice.memory.room_bytes}}},
            {"is_measuring", reading.is_measuring},
            {"speed", nullptr}};
  if (reading.speed) {
    json["speed"] = {{"read_bytes_per_s", rounded(reading.speed->read_bytes_per_s)},
                     {"macs_per_s", rounded(reading.speed->macs_per_s)},
                     {"measured_at", reading.measured_at},
                     {"beside_answers", reading.beside_answers}};
  }
  return json;
}

Json entry_json(const Advice::Entry& entry, const service::ModelPool& models) {
  const service::Recommendation& one = entry.recommendation;
  const service::CatalogueModel& model = *one.model;
  const bool is_served = !entry.name_here.empty() && models.resolve(entry.name_here).has_value();
  Json json{{"id", model.id},
            {"source", service::catalogue_name(model)},
            {"languages", model.languages},
            {"licence", model.licence},
            {"licence_note", model.licence_note},
            {"page", model.source},
            {"size_bytes", model.bytes},
            {"parameters", model.n_parameters},
            {"memory_bytes", one.memory_bytes},
            {"context_length", one.context_length},
            {"model_context_length", model.context_length},
            {"verdict", service::verdict_name(one.verdict)},
            {"prompt_tokens_per_s", nullptr},
            {"answer_tokens_per_s", nullptr},
            {"model", is_served ? Json(entry.name_here) : Json(nullptr)}};
  if (one.speed) {
    json["prompt_tokens_per_s"] = one.speed->prompt_tokens_per_s;
    json["answer_tokens_per_s"] = one.speed->answer_tokens_per_s;
  }
  return json;
}

Result<std::string> read_language(const Call& call) {
  MARU_ASSIGN_OR_RETURN(const Query query, Query::parse(call.request.query));
  MARU_RETURN_IF_ERROR(query.only({"language"}));
  MARU_ASSIGN_OR_RETURN(const auto language, query.text("language"));
  return language.value_or("");
}

void list_recommendations(const Call& call) {
  const auto language = read_language(call);
  if (!language) return call.fail(to_api_error(language.error()));
  const auto& recommender = call.context->recommender;
  if (!recommender) {
    return call.fail(to_api_error(Error{ErrorCode::kUnavailable, "this server recommends no models",
                                        "use maru recommend", "", Reason{"recommendations_off"}}));
  }
  const Advice advice = recommender->advise(*language);
  Json data = Json::array();
  for (const Advice::Entry& entry : advice.entries) {
    data.push_back(entry_json(entry, call.context->service->models()));
  }
  call.answer(dump_json(Json{{"machine", machine_json(advice)}, {"data", std::move(data)}}));
}

constexpr Endpoint kEndpoints[] = {
    {"admin_recommendations",
     "GET",
     "/api/admin/recommendations",
     Run::kWorker,
     {Who::kAuditor, Scope::kAdmin, Feature::kNone, true},
     list_recommendations},
};

}  // namespace

extern const Resource resource_admin_recommendations;
constinit const Resource resource_admin_recommendations{kEndpoints};

}  // namespace maru::api
