// Pulls that administrators start on a running server: one runs, a few wait, and what became of the
// last ones can be looked at.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "service/clock.h"
#include "service/pull.h"

namespace maru::service {

enum class PullState : uint8_t { kWaiting, kRunning, kDone, kFailed, kStopped };
const char* pull_state_name(PullState state);  // "waiting"...

struct PullJob {
  std::string id;      // "pull_..."
  std::string source;  // as it was asked for
  PullState state = PullState::kWaiting;
  int64_t created_at = 0;  // unix milliseconds
  PullProgress progress;   // of kRunning and later
  std::string model;       // its name here: kDone
  Error error = {};        // kFailed
  bool wants_stop = false;
};

// Thread-safe. The destructor stops what runs, and waits for it.
class PullJobs {
 public:
  // Called by the jobs' own thread.
  using Pull = std::function<Result<Pulled>(const std::string& source, const PullCalls& calls)>;

  // `host`: where the pulls lead, for those who decide whether somebody may.
  PullJobs(std::string host, Pull pull, Clock clock = unix_milliseconds);
  ~PullJobs();
  PullJobs(const PullJobs&) = delete;
  PullJobs& operator=(const PullJobs&) = delete;

  const std::string& host() const { return host_; }
  // Errors: kInvalidArgument (param "source"), kConflict (it is under way), kRateLimited (too many
  // wait).
  Result<PullJob> start(const std::string& source);
  // The newest first.
  std::vector<PullJob> list() const;
  // Ends one that waits or runs; what was fetched stays for the next try. Errors: kNotFound.
  Status stop(const std::string& id);

 private:
  void work();
  void run(const std::string& id, const std::string& source);
  PullJob* find(const std::string& id);  // under mutex_
  void finish(const std::string& id, const Result<Pulled>& pulled);
  void forget_old();  // under mutex_

  const std::string host_;
  const Pull pull_;
  const Clock clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PullJob> jobs_;  // the oldest first
  bool is_closing_ = false;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace maru::service
