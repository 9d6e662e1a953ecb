// GET /v1/models/{model}/card: what is open about a model and what is not, as JSON or, by Accept,
// as a text to read.
#include "service/model_card.h"

#include "api/encode.h"
#include "api/endpoint.h"
#include "api/with_model.h"
#include "base/files.h"
#include "base/json.h"

namespace maru::api {
namespace {

// Larger files are hashed by `maru card`: a request must not hold a worker for long.
constexpr uint64_t kMaxHashBytes = uint64_t{512} << 20;

// Encoders are served from wherever the settings name them.
Result<service::ModelLocation> locate(const Call& call, const std::string& name) {
  for (const bool is_reranker : {false, true}) {
    const auto encoder = find_encoder(call, name, is_reranker);
    if (encoder) {
      return service::ModelLocation{name, (*encoder)->path, service::ModelKind::kHuggingFace};
    }
  }
  MARU_ASSIGN_OR_RETURN(const std::string found, find_model(call, name));
  return call.context->service->models().locate(found);
}

void handle(const Call& call) {
  const auto location = locate(call, call.path_arguments[0]);
  if (!location) return call.fail(to_api_error(location.error()));
  const auto card = service::make_card(*location, {data_folder() + "/cache/hashes", kMaxHashBytes});
  if (!card) return call.fail(model_error(location->name, card.error()));
  if (!call.request.header("accept").starts_with("text/plain"))
    return call.answer(dump_json(*card));
  const auto language = call.request.header("accept-language").starts_with("ko")
                            ? service::CardLanguage::kKorean
                            : service::CardLanguage::kEnglish;
  call.writer.send({200, service::print_card(*card, language), "text/plain; charset=utf-8", {}});
}

}  // namespace

extern const Endpoint endpoint_model_card;
constinit const Endpoint endpoint_model_card{"model_card",
                                             "GET",
                                             "/v1/models/{model...}/card",
                                             Run::kWorker,
                                             {Who::kCaller, Scope::kInference},
                                             handle};

}  // namespace maru::api
