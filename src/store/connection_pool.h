// Connections that read, of either database: opened when they are wanted, at most `limit` at once.
// Thread-safe; who comes when all are taken waits.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"

namespace maru::store {

template <class Connection>
class ConnectionPool {
 public:
  explicit ConnectionPool(size_t limit) : limit_(std::max<size_t>(limit, 1)) {}

  // `work` gets a connection that was used before, or none: it may fill or empty the pointer.
  Status with(const std::function<Status(std::unique_ptr<Connection>&)>& work) {
    std::unique_ptr<Connection> connection = take();
    Status status = work(connection);
    give_back(std::move(connection));
    return status;
  }

 private:
  std::unique_ptr<Connection> take() {
    std::unique_lock lock(mutex_);
    is_back_.wait(lock, [&] { return n_taken_ < limit_; });
    ++n_taken_;
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection) {
    {
      const std::lock_guard lock(mutex_);
      --n_taken_;
      if (connection) idle_.push_back(std::move(connection));
    }
    is_back_.notify_one();
  }

  const size_t limit_;
  std::mutex mutex_;
  std::condition_variable is_back_;
  std::vector<std::unique_ptr<Connection>> idle_;
  size_t n_taken_ = 0;
};

}  // namespace maru::store
