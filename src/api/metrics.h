// Counters and histograms for Prometheus. Thread-safe. Labels are endpoint names, statuses and
// served models only: nothing a client may choose freely.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace maru::api {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  void count_request(std::string_view endpoint, int status, std::chrono::microseconds duration);
  void count_usage(std::string_view model, const engine::Usage& usage);
  void observe_first_token(std::chrono::microseconds since_arrival);
  void observe_next_token(std::chrono::microseconds since_last);
  void count_client_left();

  // Everything, with the engine's state of now, in Prometheus' text format.
  std::string print(const engine::EngineStats& stats);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::api
