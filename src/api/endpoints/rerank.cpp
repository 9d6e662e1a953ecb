// POST /v1/rerank
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "api/encode.h"
#include "api/wire/answers.h"
#include "api/wire/body.h"
#include "api/wire/encode_requests.h"
#include "base/json.h"

namespace maru::api {
namespace {

// The most relevant first; equal ones in the caller's order.
std::string rerank_json(const RerankCall& request, const std::string& model,
                        const service::EncodedRows& rows, uint64_t n_tokens) {
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rows[a][0] > rows[b][0]; });
  order.resize(std::min(order.size(), request.top_n.value_or(order.size())));
  Json results = Json::array();
  for (const size_t i : order) {
    Json result{{"index", i}, {"relevance_score", service::relevance_of(rows[i][0])}};
    if (request.returns_documents) result["document"] = Json{{"text", request.documents[i]}};
    results.push_back(std::move(result));
  }
  return dump_json(Json{{"id", make_answer_id("rerank-")},
                        {"model", model},
                        {"results", std::move(results)},
                        {"usage", {{"prompt_tokens", n_tokens}, {"total_tokens", n_tokens}}}});
}

void handle(const Call& call) {
  const auto json = parse_body(call.request.body);
  if (!json) return call.fail(to_api_error(json.error()));
  Problems problems;
  RerankCall request = parse_rerank(*json, problems);
  if (problems.any()) return call.fail(problems.first());
  const auto model = find_encoder(call, request.model, true);
  if (!model) return call.fail(to_api_error(model.error()));
  auto texts = service::prepare_pairs(*model, request.query, request.documents,
                                      {request.truncates, encoder_tokens(call, **model)});
  if (!texts) return call.fail(to_api_error(texts.error()));
  if (texts->n_tokens > kMaxEmbeddingTokens) {
    problems.add("documents", "max_tokens_per_request",
                 fmt::format("query and documents have {} tokens; one request may have {}",
                             texts->n_tokens, kMaxEmbeddingTokens));
    return call.fail(problems.first());
  }
  if (!request.returns_documents) request.documents.clear();
  const std::string name = (*model)->name;
  encode(call, *std::move(texts),
         [request = std::move(request), name](const service::EncodedRows& rows, uint64_t n_tokens) {
           return rerank_json(request, name, rows, n_tokens);
         });
}

}  // namespace

extern const Endpoint endpoint_rerank;
constinit const Endpoint endpoint_rerank{"rerank",
                                         "POST",
                                         "/v1/rerank",
                                         Run::kWorker,
                                         {Who::kCaller, Scope::kInference, Feature::kCompletions},
                                         handle};

}  // namespace maru::api
