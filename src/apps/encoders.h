// The models of the settings that give vectors and relevance.
#pragma once

#include <memory>

#include "base/result.h"
#include "service/config.h"
#include "service/embedding.h"

namespace maru::apps {

// settings.embedding_model and settings.rerank_model, loaded; null if neither is set. Errors: those
// of find_model and service::load_encoder; kInvalidArgument where one is of the other's kind.
Result<std::shared_ptr<service::EmbeddingService>> start_encoders(
    const service::Settings& settings);

}  // namespace maru::apps
