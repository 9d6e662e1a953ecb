#include "service/pull_jobs.h"

#include <algorithm>

#include "base/random.h"

namespace maru::service {
namespace {

constexpr size_t kMaxWaiting = 8;
constexpr size_t kMaxEnded = 20;  // that are remembered

bool has_ended(const PullJob& job) {
  return job.state != PullState::kWaiting && job.state != PullState::kRunning;
}

}  // namespace

const char* pull_state_name(PullState state) {
  switch (state) {
    case PullState::kWaiting: return "waiting";
    case PullState::kRunning: return "running";
    case PullState::kDone: return "done";
    case PullState::kFailed: return "failed";
    case PullState::kStopped: return "stopped";
  }
  return "";
}

PullJobs::PullJobs(std::string host, Pull pull, Clock clock)
    : host_(std::move(host)),
      pull_(std::move(pull)),
      clock_(std::move(clock)),
      thread_([this] { work(); }) {}

PullJobs::~PullJobs() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<PullJob> PullJobs::start(const std::string& source) {
  if (source.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the model's name is missing",
                 "write it as organisation/model", "source",
                 Reason{"hub_name_bad", {{"name", ""}}}};
  }
  const std::lock_guard lock(mutex_);
  size_t n_open = 0;
  for (const PullJob& job : jobs_) {
    if (has_ended(job)) continue;
    ++n_open;
    if (job.source == source) {
      return Error{ErrorCode::kConflict, "'" + source + "' is being pulled already", "", "source",
                   Reason{"pulled_already", {{"model", source}}}};
    }
  }
  if (n_open > kMaxWaiting) {
    return Error{ErrorCode::kRateLimited, "too many pulls wait", "try again when some are done", "",
                 Reason{"too_many_pulls"}};
  }
  PullJob job;
  job.id = random_id("pull_");
  job.source = source;
  job.created_at = clock_();
  jobs_.push_back(job);
  forget_old();
  changed_.notify_all();
  return job;
}

std::vector<PullJob> PullJobs::list() const {
  const std::lock_guard lock(mutex_);
  return {jobs_.rbegin(), jobs_.rend()};
}

Status PullJobs::stop(const std::string& id) {
  const std::lock_guard lock(mutex_);
  PullJob* const job = find(id);
  if (job == nullptr || has_ended(*job)) {
    return Error{ErrorCode::kNotFound, "no such pull is under way", "", "pull",
                 Reason{"gone", {{"what", "pull"}}}};
  }
  job->wants_stop = true;
  if (job->state == PullState::kWaiting) job->state = PullState::kStopped;
  return {};
}

PullJob* PullJobs::find(const std::string& id) {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const PullJob& job) { return job.id == id; });
  return found == jobs_.end() ? nullptr : &*found;
}

void PullJobs::forget_old() {
  auto n_ended = static_cast<size_t>(std::count_if(jobs_.begin(), jobs_.end(), has_ended));
  for (auto job = jobs_.begin(); n_ended > kMaxEnded && job != jobs_.end();) {
    if (!has_ended(*job)) {
      ++job;
      continue;
    }
    job = jobs_.erase(job);
    --n_ended;
  }
}

void PullJobs::work() {
  for (;;) {
    std::string id, source;
    {
      std::unique_lock lock(mutex_);
      const auto waiting = [this] {
        return std::find_if(jobs_.begin(), jobs_.end(),
                            [](const PullJob& job) { return job.state == PullState::kWaiting; });
      };
      changed_.wait(lock, [&] { return is_closing_ || waiting() != jobs_.end(); });
      if (is_closing_) return;
      const auto next = waiting();
      next->state = PullState::kRunning;
      id = next->id;
      source = next->source;
    }
    run(id, source);
  }
}

void PullJobs::run(const std::string& id, const std::string& source) {
  PullCalls calls;
  calls.on_progress = [this, id](const PullProgress& progress) {
    const std::lock_guard lock(mutex_);
    if (PullJob* const job = find(id)) job->progress = progress;
  };
  calls.should_stop = [this, id] {
    const std::lock_guard lock(mutex_);
    const PullJob* const job = find(id);
    return is_closing_ || job == nullptr || job->wants_stop;
  };
  finish(id, pull_(source, calls));
}

void PullJobs::finish(const std::string& id, const Result<Pulled>& pulled) {
  const std::lock_guard lock(mutex_);
  PullJob* const job = find(id);
  if (job == nullptr) return;
  if (pulled) {
    job->state = PullState::kDone;
    job->model = pulled->manifest.name;
    job->progress.n_done = job->progress.n_total = pulled->manifest.total_bytes();
  } else if (job->wants_stop) {
    job->state = PullState::kStopped;
  } else {
    job->state = PullState::kFailed;
    job->error = pulled.error();
  }
  forget_old();
}

}  // namespace maru::service
