// The way of a request for vectors or relevance through the limits, the usage rows and the
// EmbeddingService: what embeddings and rerank share.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/endpoint.h"
#include "service/embedding.h"

namespace maru::api {

// The encoder of that name, or the only one of its kind; among those the caller may use. Errors:
// kNotFound.
Result<std::shared_ptr<const service::ServedEncoder>> find_encoder(const Call& call,
                                                                   const std::string& name,
                                                                   bool is_reranker);

// The tokens that the caller's limits leave for one text.
uint32_t encoder_tokens(const Call& call, const service::ServedEncoder& model);

// The whole answer, made on the service's thread.
using EncodeFormat = std::function<std::string(service::EncodedRows rows, uint64_t n_tokens)>;

// Admits, computes and answers. Call it on a worker.
void encode(const Call& call, service::PreparedTexts texts, EncodeFormat format);

// A vector as OpenAI's "base64": its little-endian float32 bytes (RFC 4648 section 4).
std::string base64_floats(const std::vector<float>& vector);
// A JSON array of the shortest decimals that give the same floats.
void append_floats(std::string& out, const std::vector<float>& vector);

}  // namespace maru::api
