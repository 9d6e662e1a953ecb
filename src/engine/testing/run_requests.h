// Requests side by side through a ModelLoop, until all have ended. For tests only.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>

#include "engine/model_loop.h"
#include "engine/testing/fake_runner.h"

namespace maru::engine::testing {

struct Outcome {
  std::map<RequestId, Told> told;
  EngineStats stats;
};

inline Outcome run_to_end(ModelLoop& loop, std::span<const Request> requests) {
  Outcome run;
  for (const Request& request : requests) {
    Told& told = run.told[request.id];
    loop.add(request, [&told](const Event& event) { told.hear(event); });
  }
  while (loop.has_work()) loop.step();
  loop.add_stats(run.stats);
  return run;
}

// A log whose steps turn `now` on: 1 ms each and 20 us a row. `now` must outlive its runner.
inline std::shared_ptr<FakeRunner::Log> make_timed_log(std::chrono::steady_clock::time_point& now) {
  auto log = std::make_shared<FakeRunner::Log>();
  log->on_run = [&now](std::span<const models::StepSequence> sequences) {
    for (const auto& s : sequences) now += std::chrono::microseconds(20 * s.tokens.size());
    now += std::chrono::milliseconds(1);
  };
  return log;
}

}  // namespace maru::engine::testing
