#include "apps/packing.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"

namespace maru::apps {

PackingTask::PackingTask(std::shared_ptr<const models::Model> model) {
  if (!model->has_packing_left()) return;
  thread_ = std::thread([this, model = std::move(model)] {
    constexpr int kLowest = 19;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLowest);
    const Status status = model->finish_packing(stop_);
    if (!status && !stop_.load()) log_packing_error(status.error());
  });
}

PackingTask::~PackingTask() {
  stop_.store(true);
  if (thread_.joinable()) thread_.join();
}

void log_packing_error(const Error& error) {
  if (error.code == ErrorCode::kCorrupt) {
    log_error("{}: answers since the start may be wrong; start again", error.message);
  } else {
    log_info("packed weights are not kept for the next start: {}", error.to_string());
  }
}

}  // namespace maru::apps
