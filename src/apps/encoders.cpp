#include "apps/encoders.h"

#include <fmt/format.h>

#include "apps/files.h"
#include "apps/load.h"
#include "kernels/dispatch.h"

namespace maru::apps {

Result<std::shared_ptr<service::EmbeddingService>> start_encoders(
    const service::Settings& settings) {
  struct Wish {
    const std::string& model;
    bool is_reranker;
    const char* setting;
  };
  const Wish wishes[] = {{settings.embedding_model, false, "embedding_model"},
                         {settings.rerank_model, true, "rerank_model"}};
  std::vector<service::ServedEncoder> models;
  MARU_ASSIGN_OR_RETURN(const kernels::Isa isa, kernels::choose_isa());
  for (const auto& [model, is_reranker, setting] : wishes) {
    if (model.empty()) continue;
    MARU_ASSIGN_OR_RETURN(const service::ModelLocation location, find_model(model));
    ThreadPool pool(thread_count(settings));
    MARU_ASSIGN_OR_RETURN(service::ServedEncoder served,
                          service::load_encoder(location, isa, pool));
    const bool fits = served.is_reranker() == is_reranker &&
                      (!is_reranker || served.encoder->info().n_labels == 1);
    if (!fits) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: '{}' gives {} labels for a text", setting, location.name,
                               served.encoder->info().n_labels),
                   is_reranker ? "a reranker gives one" : "an embedding model gives none", setting};
    }
    models.push_back(std::move(served));
  }
  if (models.empty()) return std::shared_ptr<service::EmbeddingService>();
  return std::make_shared<service::EmbeddingService>(
      std::move(models), service::EmbeddingOptions{thread_count(settings), settings.max_waiting});
}

}  // namespace maru::apps
