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

  // Calls body(thread, begin, end) over [0, n_items), in pieces of `grain` items taken from a
  // shared counter. One piece runs on the caller at once. A thread that the system keeps from
  // running is not waited for unless it has begun: on a busy machine the others do its share.
  template <class Body>
  void share(size_t n_items, size_t grain, const Body& body) {
    if (n_items == 0) return;
    if (grain == 0) grain = 1;
    if (n_threads_ == 1 || n_items <= grain) {
      body(size_t{0}, size_t{0}, n_items);
      return;
    }
    std::atomic<size_t> next{0};
    auto job = [&](size_t thread) {
      for (size_t begin = next.fetch_add(grain, std::memory_order_relaxed); begin < n_items;
           begin = next.fetch_add(grain, std::memory_order_relaxed)) {
        body(thread, begin, begin + grain < n_items ? begin + grain : n_items);
      }
    };
    run_erased(erase<decltype(job)>, &job);
  }

  // The same where the body needs no thread: body(begin, end).
  template <class Body>
  void parallel_for(size_t n_items, size_t grain, const Body& body) {
    share(n_items, grain, [&](size_t, size_t begin, size_t end) { body(begin, end); });
  }

  // A hint: thread t's part of a coming job begins with the `size` bytes at `begin` + t * size,
  // which threads that wait bring to their caches. The memory may go away at any time: nothing
  // reads it.
  void read_ahead(const void* begin, size_t size) {
    ahead_size_.store(size, std::memory_order_relaxed);
    ahead_.store(reinterpret_cast<uintptr_t>(begin), std::memory_order_relaxed);
  }

 private:
  // How far one thread is with a hint.
  struct ReadAhead {
    uintptr_t hint = 0, at = 0, end = 0;
  };
  using ErasedJob = void (*)(const void* context, size_t thread);
  template <class Job>
  static void erase(const void* context, size_t thread) {
    (*static_cast<const Job*>(context))(thread);
  }
  void run_erased(ErasedJob job, const void* context);
  void worker(size_t thread);
  bool enter(uint64_t& seen);
  bool step_ahead(size_t thread, ReadAhead& own) const;

  const size_t n_threads_;
  ErasedJob job_ = nullptr;
  const void* context_ = nullptr;
  // Number of the job, whether it is closed to threads that have not begun, how many are inside.
  std::atomic<uint64_t> state_;
  std::atomic<uintptr_t> ahead_{0};
  std::atomic<size_t> ahead_size_{0};
  ReadAhead ahead_of_caller_;
  std::atomic<size_t> n_parked_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;
};

}  // namespace maru
