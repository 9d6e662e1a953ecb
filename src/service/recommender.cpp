#include "service/recommender.h"

#include <filesystem>
#include <utility>

namespace maru::service {

Recommender::Recommender(RecommenderOptions options)
    : options_(std::move(options)), meter_(options_.meter) {}

Advice Recommender::advise(const std::string& language) {
  Advice advice{options_.n_threads, options_.isa, options_.limits(), meter_.read(), {}};
  const std::vector<ModelManifest> manifests = options_.manifests();
  for (const Recommendation& one :
       recommend(catalogue(), advice.reading.speed, advice.memory.room_bytes, language)) {
    advice.entries.push_back({one, name_here(*one.model, manifests)});
  }
  return advice;
}

std::vector<ModelManifest> manifests_of(const ModelStore& store) {
  std::vector<ModelManifest> manifests;
  for (const ModelLocation& location : store.list()) {
    const std::filesystem::path path(location.path);
    const auto folder = location.kind == ModelKind::kGguf ? path.parent_path() : path;
    auto manifest = read_manifest(folder);
    if (!manifest) continue;
    manifest->name = location.name;
    manifests.push_back(*std::move(manifest));
  }
  return manifests;
}

}  // namespace maru::service
