// Credentials in use: a stream that runs with a key or a session ends when that is revoked, ended
// or expired, or its account disabled, whoever did it and in which program: the store is asked a
// few times a second while something is watched. Also writes down, now and then, when each was
// used.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "service/clock.h"
#include "service/identity.h"
#include "store/database.h"

namespace maru::service {

// Why what `identity` was let in by counts no longer (kUnauthenticated), or success.
Status check_still_valid(store::Transaction& transaction, const Identity& identity, int64_t now);

// Thread-safe.
class Watches {
 public:
  // Called once, on the watcher's thread; must be quick.
  using Ended = std::function<void(const Error& reason)>;

  Watches(std::shared_ptr<store::Database> database, Clock clock);
  ~Watches();

  // Watches until the result is dropped. The callback may still be running then.
  std::shared_ptr<void> watch(const Identity& identity, Ended ended);
  // A use of the key or session: written at most once a minute, and at the end.
  void note_use(const Identity& identity);

 private:
  struct Shared;  // with the thread and the handles

  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace maru::service
