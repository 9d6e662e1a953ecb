// What an encoder reads of a request, and what its rows mean.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/memory_limits.h"
#include "service/embedding.h"
#include "service/model_facts.h"

namespace maru::service {
namespace {

uint32_t most_tokens(const ServedEncoder& model, const EncodeOptions& options) {
  const uint32_t of_model = model.encoder->info().max_tokens;
  return std::min(of_model, options.max_tokens.value_or(of_model));
}

Error too_long(size_t n, uint32_t most, const std::string& param) {
  return Error{
      ErrorCode::kTooLarge,
      fmt::format("'{}' has {} tokens with control tokens; at most {} are read", param, n, most),
      "split it, or send \"truncate\": true to leave its end out", param};
}

Status add(PreparedTexts& out, text::EncoderInput input, const std::string& param) {
  Status status = out.model->encoder->check({input.tokens, input.types});
  if (!status) {
    status.error().param = param;
    return status;
  }
  out.n_tokens += input.tokens.size();
  out.inputs.push_back(std::move(input));
  return {};
}

}  // namespace

Result<ServedEncoder> load_encoder(const ModelLocation& location, kernels::Isa isa,
                                   ThreadPool& pool) {
  MARU_ASSIGN_OR_RETURN(const models::EncoderInfo info, models::Encoder::read_info(location.path));
  MARU_ASSIGN_OR_RETURN(auto tokenizer, text::WordPieceTokenizer::from_folder(location.path));
  if (tokenizer->size() > info.n_vocab) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{}: the tokenizer has {} tokens, the model {}", location.path,
                             tokenizer->size(), info.n_vocab),
                 "the tokenizer must be the model's own"};
  }
  const uint64_t free = read_memory_limits().available_bytes;
  if (info.memory_bytes > free) {
    return Error{ErrorCode::kTooLarge,
                 fmt::format("{} takes {} MiB of memory, {} MiB are free", location.name,
                             info.memory_bytes >> 20, free >> 20),
                 "free memory, or use a smaller model"};
  }
  MARU_ASSIGN_OR_RETURN(auto encoder, models::Encoder::load(location.path, isa, pool));
  const DiskUse use = disk_use(location);
  return ServedEncoder{location.name,        location.path, std::move(encoder),
                       std::move(tokenizer), use.n_bytes,   use.written_unix_seconds};
}

Result<PreparedTexts> prepare_texts(std::shared_ptr<const ServedEncoder> model,
                                    const std::vector<EncoderPrompt>& texts,
                                    const EncodeOptions& options) {
  PreparedTexts out{std::move(model), {}, 0};
  const text::WordPieceTokenizer& tokenizer = *out.model->tokenizer;
  const uint32_t most = most_tokens(*out.model, options);
  const size_t n_added = tokenizer.n_added(false);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string param = texts.size() == 1 ? "input" : fmt::format("input[{}]", i);
    const auto* text = std::get_if<std::string>(&texts[i]);
    std::vector<text::TokenId> ids =
        text != nullptr ? tokenizer.encode(*text) : std::get<std::vector<text::TokenId>>(texts[i]);
    if (ids.size() + n_added > most) {
      if (!options.truncates || most <= n_added) return too_long(ids.size() + n_added, most, param);
      ids.resize(most - n_added);
    }
    MARU_RETURN_IF_ERROR(add(out, tokenizer.arrange(std::move(ids)), param));
  }
  return out;
}

Result<PreparedTexts> prepare_pairs(std::shared_ptr<const ServedEncoder> model,
                                    const std::string& query,
                                    const std::vector<std::string>& documents,
                                    const EncodeOptions& options) {
  PreparedTexts out{std::move(model), {}, 0};
  const text::WordPieceTokenizer& tokenizer = *out.model->tokenizer;
  const uint32_t most = most_tokens(*out.model, options);
  const std::vector<text::TokenId> first = tokenizer.encode(query);
  const size_t n_before = first.size() + tokenizer.n_added(true);
  if (n_before > most) return too_long(n_before, most, "query");
  for (size_t i = 0; i < documents.size(); ++i) {
    const std::string param = fmt::format("documents[{}]", i);
    std::vector<text::TokenId> second = tokenizer.encode(documents[i]);
    if (n_before + second.size() > most) {
      if (!options.truncates) return too_long(n_before + second.size(), most, param);
      second.resize(most - n_before);
    }
    MARU_RETURN_IF_ERROR(add(out, tokenizer.arrange(first, second), param));
  }
  return out;
}

float relevance_of(float logit) { return 1.0f / (1.0f + std::exp(-logit)); }

void shorten(std::vector<float>& vector, size_t n) {
  if (n >= vector.size()) return;
  vector.resize(n);
  const float norm =
      std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0f));
  if (norm <= 0) return;
  for (float& x : vector) x /= norm;
}

}  // namespace maru::service
