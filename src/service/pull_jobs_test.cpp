#include "service/pull_jobs.h"

#include <gtest/gtest.h>

#include <future>

namespace maru::service {
namespace {

// Pulls that go on when the test says so.
struct Script {
  std::promise<void> begun, go_on;
  bool was_stopped = false;

  PullJobs::Pull pull() {
    return
        [this, n = 0](const std::string& source, const PullCalls& calls) mutable -> Result<Pulled> {
          calls.on_progress({PullProgress::Stage::kFetching, "model.gguf", 30, 100, 10});
          if (n++ == 0) {
            begun.set_value();
            go_on.get_future().wait();
          }
          was_stopped = calls.should_stop();
          if (was_stopped) return Error{ErrorCode::kUnavailable, "stopped", ""};
          if (source == "org/none")
            return Error{ErrorCode::kNotFound, "the hub has no org/none", ""};
          Pulled pulled;
          pulled.manifest.name = "model";
          return pulled;
        };
  }
};

PullJob wait_until_ended(const PullJobs& jobs, const std::string& id) {
  for (;;) {
    for (const PullJob& job : jobs.list()) {
      const bool is_open = job.state == PullState::kWaiting || job.state == PullState::kRunning;
      if (job.id == id && !is_open) return job;
    }
    std::this_thread::yield();
  }
}

TEST(PullJobs, RunOneAfterTheOtherAndTellHowFarTheyAre) {
  Script script;
  PullJobs jobs("hub.example", script.pull());
  const auto first = jobs.start("org/model");
  ASSERT_TRUE(first);
  script.begun.get_future().wait();
  const auto second = jobs.start("org/none");
  ASSERT_TRUE(second);
  const auto list = jobs.list();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].state, PullState::kWaiting);
  EXPECT_EQ(list[1].state, PullState::kRunning);
  EXPECT_EQ(list[1].progress.n_done, 30u);
  const auto again = jobs.start("org/model");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  script.go_on.set_value();
  EXPECT_EQ(wait_until_ended(jobs, first->id).model, "model");
  const PullJob failed = wait_until_ended(jobs, second->id);
  EXPECT_EQ(failed.state, PullState::kFailed);
  EXPECT_EQ(failed.error.message, "the hub has no org/none");
  EXPECT_TRUE(jobs.start("org/model"));  // once more
  EXPECT_EQ(jobs.start("").error().code, ErrorCode::kInvalidArgument);
}

TEST(PullJobs, StopWhereverTheyAre) {
  Script script;
  PullJobs jobs("hub.example", script.pull());
  const auto first = jobs.start("org/a");
  script.begun.get_future().wait();
  const auto second = jobs.start("org/b");
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(jobs.stop(second->id));
  EXPECT_EQ(wait_until_ended(jobs, second->id).state, PullState::kStopped);
  EXPECT_TRUE(jobs.stop(first->id));
  script.go_on.set_value();
  EXPECT_EQ(wait_until_ended(jobs, first->id).state, PullState::kStopped);
  EXPECT_TRUE(script.was_stopped);
  EXPECT_EQ(jobs.stop(first->id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(jobs.stop("pull_none").error().code, ErrorCode::kNotFound);
}

TEST(PullJobs, AreFewAndRememberedForAWhile) {
  Script script;
  PullJobs jobs("hub.example", script.pull());
  ASSERT_TRUE(jobs.start("org/first"));
  script.begun.get_future().wait();
  size_t n_started = 0;
  while (jobs.start("org/" + std::to_string(n_started))) ++n_started;
  EXPECT_EQ(n_started, 8u);
  script.go_on.set_value();
  for (int i = 0; i < 40; ++i) {
    const auto job = jobs.start("org/more" + std::to_string(i));
    if (job) wait_until_ended(jobs, job->id);
  }
  EXPECT_LE(jobs.list().size(), 30u);
}

TEST(PullJobs, EndWithTheServer) {
  Script script;
  auto jobs = std::make_unique<PullJobs>("hub.example", script.pull());
  ASSERT_TRUE(jobs->start("org/a"));
  script.begun.get_future().wait();
  std::thread closing([&] { jobs.reset(); });
  script.go_on.set_value();
  closing.join();
}

}  // namespace
}  // namespace maru::service
