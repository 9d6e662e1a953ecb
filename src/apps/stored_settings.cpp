#include "apps/stored_settings.h"

#include <memory>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "service/model_facts.h"
#include "service/model_store.h"
#include "store/settings.h"
#include "store/sqlite.h"

namespace maru::apps {
namespace {

bool suits(std::string_view key, const service::ModelFacts& facts) {
  if (key == "embedding_model") return facts.can_embed;
  if (key == "rerank_model") return facts.can_rerank;
  return facts.can_complete;
}

Result<std::vector<store::StoredSetting>> list(const store::Database& database) {
  std::vector<store::StoredSetting> stored;
  MARU_RETURN_IF_ERROR(database.read([&](store::Transaction& transaction) -> Status {
    MARU_ASSIGN_OR_RETURN(stored, store::list_settings(transaction));
    return {};
  }));
  return stored;
}

}  // namespace

service::ModelNames model_names(const service::Settings& settings) {
  const auto facts = std::make_shared<service::ModelFactsCache>();
  return [facts, chat_template = settings.default_chat_template](const std::string& key) {
    std::vector<std::string> names;
    for (const auto& location : service::ModelStore(data_folder() + "/models").list()) {
      if (suits(key, facts->facts(location, chat_template))) names.push_back(location.name);
    }
    return names;
  };
}

Result<std::vector<store::StoredSetting>> read_stored_settings(const service::Settings& settings) {
  const std::string location = service::database_location(settings);
  if (!settings.database_url.empty()) {
    MARU_ASSIGN_OR_RETURN(const auto database, store::Database::open(location));
    return list(*database);
  }
  MARU_ASSIGN_OR_RETURN(const int version, store::sqlite_version(location));
  if (version < store::kSettingsVersion) return std::vector<store::StoredSetting>();
  MARU_ASSIGN_OR_RETURN(const auto database, store::open_sqlite(location, {.version = version}));
  return list(*database);
}

Result<service::Config> with_stored_settings(const Context& context,
                                             const store::Database& database) {
  MARU_ASSIGN_OR_RETURN(const auto stored, list(database));
  service::Config config = context.config;
  config.take_stored(stored, {});
  return config;
}

}  // namespace maru::apps
