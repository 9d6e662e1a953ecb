// POST /v1/embeddings
#include <fmt/format.h>

#include "api/encode.h"
#include "api/wire/body.h"
#include "api/wire/encode_requests.h"
#include "base/json.h"

namespace maru::api {
namespace {

std::string embeddings_json(const EmbeddingCall& request, const std::string& model,
                            service::EncodedRows rows, uint64_t n_tokens) {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < rows.size(); ++i) {
    if (request.dimensions) service::shorten(rows[i], *request.dimensions);
    out += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", i == 0 ? "" : ",", i);
    if (request.base64) {
      out += '"' + base64_floats(rows[i]) + '"';
    } else {
      append_floats(out, rows[i]);
    }
    out += '}';
  }
  const Json usage{{"prompt_tokens", n_tokens}, {"total_tokens", n_tokens}};
  return out + R"(],"model":)" + dump_json(Json(model)) + R"(,"usage":)" + dump_json(usage) + "}";
}

void handle(const Call& call) {
  const auto json = parse_body(call.request.body);
  if (!json) return call.fail(to_api_error(json.error()));
  Problems problems;
  EmbeddingCall request = parse_embedding(*json, problems);
  if (problems.any()) return call.fail(problems.first());
  const auto model = find_encoder(call, request.model, false);
  if (!model) return call.fail(to_api_error(model.error()));
  const uint32_t dim = (*model)->encoder->info().dim;
  if (request.dimensions && *request.dimensions > dim) {
    problems.add(
        "dimensions", "invalid_value",
        fmt::format("'dimensions' is {}; the model's vectors have {}", *request.dimensions, dim));
    return call.fail(problems.first());
  }
  auto texts = service::prepare_texts(*model, request.input,
                                      {request.truncates, encoder_tokens(call, **model)});
  if (!texts) return call.fail(to_api_error(texts.error()));
  if (texts->n_tokens > kMaxEmbeddingTokens) {
    problems.add("input", "max_tokens_per_request",
                 fmt::format("the texts have {} tokens; one request may have {}", texts->n_tokens,
                             kMaxEmbeddingTokens));
    return call.fail(problems.first());
  }
  request.input.clear();
  const std::string name = (*model)->name;
  encode(call, *std::move(texts), [request, name](service::EncodedRows rows, uint64_t n_tokens) {
    return embeddings_json(request, name, std::move(rows), n_tokens);
  });
}

}  // namespace

extern const Endpoint endpoint_embeddings;
constinit const Endpoint endpoint_embeddings{
    "embeddings",
    "POST",
    "/v1/embeddings",
    Run::kWorker,
    {Who::kCaller, Scope::kInference, Feature::kCompletions},
    handle};

}  // namespace maru::api
