#include "service/chat_services.h"

namespace maru::service {

Result<std::shared_ptr<ChatServices>> ChatServices::start(
    const std::shared_ptr<store::Database>& database,
    const std::shared_ptr<GenerationService>& generation, const std::shared_ptr<Metering>& metering,
    const Clock& clock) {
  auto services = std::make_shared<ChatServices>();
  services->changes = std::make_shared<Changes>();
  services->chats = std::make_shared<Chats>(database, services->changes, clock);
  services->personal = std::make_shared<Personal>(database, services->changes, clock);
  MARU_RETURN_IF_ERROR(services->chats->recover());
  services->runs = std::make_shared<Runs>(database, generation, metering, services->changes, clock);
  services->titles = std::make_shared<Titles>(database, generation, metering, services->changes);
  return services;
}

}  // namespace maru::service
