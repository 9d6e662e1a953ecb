// A pool for the engine's stages: a fixed number of threads run one function over work items; the
// caller is one of them. Threads spin shortly between jobs and then park, so that an idle program
// uses no CPU. Not for I/O. One caller at a time (the engine thread).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace maru {

class ThreadPool {
 public:
  // `n_threads` counts the caller: 1 makes no thread.
  explicit ThreadPool(size_t n_threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  size_t size() const { return n_threads_; }

  // Calls job(thread) once on every thread, thread = 0 (the caller) .. size()-1, and returns when
  // all are done. Memory written by one job is seen by the next.
  template <class Job>
  void run(const Job& job) {
    run_erased(
        [](const void* context, size_t thread) { (*static_cast<const Job*>(context))(thread); },
        &job);
  }

  // Calls body(begin, end) over [0, n_items), in pieces of `grain` items taken from a shared
  // counter.
  template <class Body>
  void parallel_for(size_t n_items, size_t grain, const Body& body) {
    if (n_items == 0) return;
    if (grain == 0) grain = 1;
    if (n_threads_ == 1 || n_items <= grain) {
      body(size_t{0}, n_items);
      return;
    }
    std::atomic<size_t> next{0};
    auto job = [&](size_t) {
      for (size_t begin = next.fetch_add(grain, std::memory_order_relaxed); begin < n_items;
           begin = next.fetch_add(grain, std::memory_order_relaxed)) {
        body(begin, begin + grain < n_items ? begin + grain : n_items);
      }
    };
    run(job);
  }

 private:
  using ErasedJob = void (*)(const void* context, size_t thread);
  void run_erased(ErasedJob job, const void* context);
  void worker(size_t thread);

  const size_t n_threads_;
  ErasedJob job_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<uint64_t> generation_{0};  // raised once per job; workers wait for it to change
  std::atomic<size_t> n_running_{0};
  std::atomic<size_t> n_parked_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;
};

}  // namespace maru
