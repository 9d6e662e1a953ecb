// What a load leaves for later (models::Model::finish_packing), on a thread that gives way to all
// others.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "models/model.h"

namespace maru::apps {

class PackingTask {
 public:
  // Begins at once if there is something to do. Outcomes go to the log.
  explicit PackingTask(std::shared_ptr<const models::Model> model);
  PackingTask(const PackingTask&) = delete;
  PackingTask& operator=(const PackingTask&) = delete;
  // Stops; what was not finished is done by another start.
  ~PackingTask();

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Of a failed finish_packing().
void log_packing_error(const Error& error);

}  // namespace maru::apps
