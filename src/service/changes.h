// Who wants to hear that something of a person has changed: open pages of the same person, which
// then ask again. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace maru::service {

struct Change {
  std::string what;  // "chat", "folder", "message"...
  std::string id;    // of the thing
  std::string chat;  // of a message
};

class Changes {
 public:
  // Called on the thread that made the change; must be quick and may not call Changes.
  using Listener = std::function<void(const Change&)>;

  // Listens until the result is dropped. The listener may still be running then.
  std::shared_ptr<void> listen(const std::string& owner, Listener listener);
  void announce(const std::string& owner, const Change& change) const;

 private:
  struct Shared {
    std::mutex mutex;
    std::multimap<std::string, std::shared_ptr<const Listener>> listeners;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace maru::service
