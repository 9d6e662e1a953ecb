#include "service/machine_meter.h"

#include <utility>

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
  if (!reading_.speed) return true;
  if (!reading_.beside_answers || is_busy(options_.stats())) return false;
  return options_.clock() - reading_.measured_at >= options_.rest.count();
}

void MachineMeter::wait_for_quiet() {
  const auto end = std::chrono::steady_clock::now() + options_.patience;
  while (is_busy(options_.stats()) && std::chrono::steady_clock::now() < end) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kLook, [this] { return is_closing_; })) return;
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
    const MachineSpeed speed = options_.measure();
    const engine::EngineStats after = options_.stats();
    const bool is_disturbed = is_busy(before) || is_busy(after) || before.n_steps != after.n_steps;
    const std::lock_guard lock(mutex_);
    reading_ = {speed, options_.clock(), is_disturbed, false};
  }
}

}  // namespace maru::service
