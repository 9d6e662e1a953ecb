// The speed of the machine that a server runs on, measured once and kept: by a thread of its own,
// so that nobody waits for it. A figure that was taken beside answers is told as such, and taken
// anew when nothing runs. Where it fails (no memory, no threads) that is logged and tried later.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/engine.h"
#include "service/clock.h"
#include "service/recommendation.h"

namespace maru::service {

struct MachineReading {
  std::optional<MachineSpeed> speed;  // the last that was measured
  int64_t measured_at = 0;            // unix milliseconds, of the last try
  bool beside_answers = false;        // they were computed meanwhile: the machine can do more
  bool is_measuring = false;          // another figure will be there soon
};

struct MachineMeterOptions {
  std::function<MachineSpeed()> measure;       // some seconds; called by the meter's thread
  std::function<engine::EngineStats()> stats;  // tells whether answers run; any thread
  std::chrono::milliseconds patience{3'000};   // for a moment without answers, before measuring
  std::chrono::milliseconds rest{
      60'000};  // between a figure taken beside answers and another, and after a failure
  Clock clock = unix_milliseconds;
};

// Thread-safe. The destructor waits for a measurement that runs.
class MachineMeter {
 public:
  explicit MachineMeter(MachineMeterOptions options);
  ~MachineMeter();
  MachineMeter(const MachineMeter&) = delete;
  MachineMeter& operator=(const MachineMeter&) = delete;

  // What is known now. Never waits: where nothing is, a measurement begins.
  MachineReading read();

 private:
  void work();
  std::optional<MachineSpeed> measure() const;
  bool wants_measurement() const;  // under mutex_
  void wait_for_quiet();

  const MachineMeterOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  MachineReading reading_;
  bool is_closing_ = false;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace maru::service
