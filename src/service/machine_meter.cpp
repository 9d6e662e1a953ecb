#include "service/machine_meter.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace maru::service {
namespace {

constexpr std::chrono::milliseconds kLook{20};  // between looks for a moment without answers

bool is_busy(const engine::EngineStats& stats) { return stats.n_running + stats.n_waiting > 0; }

}  // namespace

MachineMeter::MachineMeter(MachineMeterOptions options)
    : options_(std::move(options)), thread_([this] { work(); }) {}

MachineMeter::~MachineMeter() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

MachineReading MachineMeter::read() {
  const std::lock_guard lock(mutex_);
  if (!reading_.is_measuring && wants_measurement()) {
    reading_.is_measuring = true;
    changed_.notify_all();
  }
  return reading_;
}

bool MachineMeter::wants_measurement() const {
  const bool has_rested = options_.clock() - reading_.measured_at >= options_.rest.count();
  if (!reading_.speed) return reading_.measured_at == 0 || has_rested;
  return has_rested && reading_.beside_answers && !is_busy(options_.stats());
}

void MachineMeter::wait_for_quiet() {
  const auto end = std::chrono::steady_clock::now() + options_.patience;
  while (is_busy(options_.stats()) && std::chrono::steady_clock::now() < end) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kLook, [this] { return is_closing_; })) return;
  }
}

// None where no memory or no thread was left for it.
std::optional<MachineSpeed> MachineMeter::measure() const {
  try {
    return options_.measure();
  } catch (const std::exception& e) {
    log_warning("the machine could not be measured: {}", e.what());
    return std::nullopt;
  }
}

void MachineMeter::work() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_closing_ || reading_.is_measuring; });
    }
    wait_for_quiet();
    {
      const std::lock_guard lock(mutex_);
      if (is_closing_) return;
    }
    const engine::EngineStats before = options_.stats();
    const std::optional<MachineSpeed> speed = measure();
    const engine::EngineStats after = options_.stats();
    const bool is_disturbed = is_busy(before) || is_busy(after) || before.n_steps != after.n_steps;
    const std::lock_guard lock(mutex_);
    reading_.is_measuring = false;
    reading_.measured_at = options_.clock();
    if (!speed) continue;
    reading_.speed = speed;
    reading_.beside_answers = is_disturbed;
  }
}

}  // namespace maru::service
