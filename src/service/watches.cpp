#include "service/watches.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/log.h"
#include "store/keys.h"
#include "store/sessions.h"
#include "store/users.h"

namespace maru::service {
namespace {

constexpr std::chrono::milliseconds kInterval{150};
constexpr int64_t kWriteInterval = 60'000;

Error gone(const char* what, Reason reason) {
  return {ErrorCode::kUnauthenticated, what, "log in or use another key", "", std::move(reason)};
}

}  // namespace

Status check_still_valid(store::Transaction& transaction, const Identity& identity, int64_t now) {
  if (!identity.is_person()) return {};
  MARU_ASSIGN_OR_RETURN(const auto user, store::find_user(transaction, identity.user_id));
  if (!user || user->disabled_at)
    return gone("the account is disabled", Reason{"account_disabled"});
  if (!identity.session_id.empty()) {
    MARU_ASSIGN_OR_RETURN(const auto session,
                          store::find_session(transaction, identity.session_id));
    if (!session || session->expires_at <= now)
      return gone("the session has ended", Reason{"session_ended"});
  }
  if (!identity.key_id.empty()) {
    MARU_ASSIGN_OR_RETURN(const auto key,
                          store::find_key_of(transaction, identity.user_id, identity.key_id));
    if (!key || key->revoked_at) return gone("the API key was revoked", Reason{"key_ended"});
    if (key->expires_at && *key->expires_at <= now)
      return gone("the API key has expired", Reason{"key_ended"});
  }
  return {};
}

struct Watches::Shared {
  struct Entry {
    Identity identity;
    Ended ended;
  };
  struct Use {
    int64_t used_at = 0, written_at = 0;
  };

  Shared(std::shared_ptr<store::Database> of, Clock by)
      : database(std::move(of)), clock(std::move(by)) {}

  const std::shared_ptr<store::Database> database;
  const Clock clock;
  std::mutex mutex;
  std::condition_variable changed;
  bool ends = false;
  uint64_t next_id = 0;
  std::map<uint64_t, std::shared_ptr<const Entry>> entries;
  std::map<std::string, Use> uses;  // by id of key or session

  void run();
  void check_all();
  void write_uses(bool all);
};

Watches::Watches(std::shared_ptr<store::Database> database, Clock clock)
    : shared_(std::make_shared<Shared>(std::move(database), std::move(clock))),
      thread_([shared = shared_] { shared->run(); }) {}

Watches::~Watches() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->ends = true;
  }
  shared_->changed.notify_all();
  // What a callback owned may own this, and be let go by the watcher's thread.
  if (std::this_thread::get_id() == thread_.get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
  shared_->write_uses(/*all=*/true);
}

std::shared_ptr<void> Watches::watch(const Identity& identity, Ended ended) {
  if (!identity.is_person()) return nullptr;
  const std::lock_guard lock(shared_->mutex);
  const uint64_t id = shared_->next_id++;
  shared_->entries[id] =
      std::make_shared<const Shared::Entry>(Shared::Entry{identity, std::move(ended)});
  shared_->changed.notify_all();
  return std::shared_ptr<void>(nullptr, [shared = shared_, id](void*) {
    std::shared_ptr<const Shared::Entry> last;  // what its callback owns goes outside of the lock
    const std::lock_guard held(shared->mutex);
    const auto found = shared->entries.find(id);
    if (found == shared->entries.end()) return;
    last = std::move(found->second);
    shared->entries.erase(found);
  });
}

void Watches::note_use(const Identity& identity) {
  if (!identity.is_person()) return;
  const std::string& id = identity.key_id.empty() ? identity.session_id : identity.key_id;
  const int64_t now = shared_->clock();
  const std::lock_guard lock(shared_->mutex);
  const bool is_first = shared_->uses.empty();
  shared_->uses[id].used_at = now;
  if (is_first) shared_->changed.notify_all();
}

void Watches::Shared::run() {
  while (true) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return ends || !entries.empty() || !uses.empty(); });
      changed.wait_for(lock, kInterval, [this] { return ends; });
      if (ends) return;
    }
    check_all();
    write_uses(/*all=*/false);
  }
}

void Watches::Shared::check_all() {
  std::vector<std::pair<uint64_t, std::shared_ptr<const Entry>>> watched;
  {
    const std::lock_guard lock(mutex);
    watched.assign(entries.begin(), entries.end());
  }
  if (watched.empty()) return;
  std::vector<std::pair<size_t, Error>> ended;
  const int64_t now = clock();
  const Status asked = database->read([&](store::Transaction& transaction) -> Status {
    ended.clear();
    std::map<std::string, Status> known;  // many may be there by one credential
    for (size_t i = 0; i < watched.size(); ++i) {
      const Identity& identity = watched[i].second->identity;
      const std::string credential = identity.user_id + identity.session_id + identity.key_id;
      auto found = known.find(credential);
      if (found == known.end()) {
        Status status = check_still_valid(transaction, identity, now);
        found = known.emplace(credential, std::move(status)).first;
      }
      if (found->second) continue;
      if (found->second.error().code != ErrorCode::kUnauthenticated) return found->second;
      ended.emplace_back(i, found->second.error());
    }
    return {};
  });
  if (!asked) return log_warning("keys in use were not checked: {}", asked.error().to_string());
  for (const auto& [i, reason] : ended) {
    const auto& [id, entry] = watched[i];
    {
      const std::lock_guard lock(mutex);
      if (entries.erase(id) == 0) continue;
    }
    entry->ended(reason);
  }
}

void Watches::Shared::write_uses(bool all) {
  std::vector<std::pair<std::string, int64_t>> due;
  const int64_t now = clock();
  {
    const std::lock_guard lock(mutex);
    for (auto& [id, use] : uses) {
      if (use.used_at <= use.written_at) continue;
      if (!all && now - use.written_at < kWriteInterval) continue;
      due.emplace_back(id, use.used_at);
      use.written_at = now;
    }
    std::erase_if(uses, [now](const auto& item) {
      return now - item.second.used_at >= kWriteInterval &&
             item.second.used_at <= item.second.written_at;
    });
  }
  if (due.empty()) return;
  const Status status = database->write([&](store::Transaction& transaction) -> Status {
    for (const auto& [id, used_at] : due) {
      MARU_RETURN_IF_ERROR(id.starts_with("key_") ? store::touch_key(transaction, id, used_at)
                                                  : store::touch_session(transaction, id, used_at));
    }
    return {};
  });
  if (!status) log_warning("the last use of keys was not kept: {}", status.error().to_string());
}

}  // namespace maru::service
