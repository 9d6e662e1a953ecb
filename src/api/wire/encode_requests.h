// Wire JSON -> requests for vectors and for relevance (embeddings as OpenAI has them, rerank as
// Jina and Cohere do).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/wire/fields.h"
#include "service/embedding.h"

namespace maru::api {

// The limits are OpenAI's.
inline constexpr size_t kMaxEmbeddingInputs = 2048;
inline constexpr uint64_t kMaxEmbeddingTokens = 300'000;  // of one request
inline constexpr size_t kMaxDocuments = 2048;

struct EmbeddingCall {
  std::string model;
  std::vector<service::EncoderPrompt> input;
  bool base64 = false;
  std::optional<uint32_t> dimensions;
  bool truncates = false;
};

struct RerankCall {
  std::string model, query;
  std::vector<std::string> documents;
  std::optional<size_t> top_n;
  bool returns_documents = false;
  bool truncates = true;
};

std::span<const FieldSpec> embedding_fields();
std::span<const FieldSpec> rerank_fields();

// What comes back is of use only if `problems` stays empty.
EmbeddingCall parse_embedding(const Json& body, Problems& problems);
RerankCall parse_rerank(const Json& body, Problems& problems);

}  // namespace maru::api
