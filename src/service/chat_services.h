// What a server needs to keep chats: one of each, over one database.
#pragma once

#include <memory>

#include "base/result.h"
#include "service/changes.h"
#include "service/chats.h"
#include "service/generation.h"
#include "service/metering.h"
#include "service/personal.h"
#include "service/runs.h"
#include "service/titles.h"
#include "store/database.h"

namespace maru::service {

struct ChatServices {
  std::shared_ptr<Changes> changes;
  std::shared_ptr<Chats> chats;
  std::shared_ptr<Personal> personal;
  std::shared_ptr<Runs> runs;
  std::shared_ptr<Titles> titles;

  // Before anybody is served; mends what a crash left (Chats::recover). `metering` may be null.
  static Result<std::shared_ptr<ChatServices>> start(
      const std::shared_ptr<store::Database>& database,
      const std::shared_ptr<GenerationService>& generation,
      const std::shared_ptr<Metering>& metering, const Clock& clock = unix_milliseconds);
};

}  // namespace maru::service
