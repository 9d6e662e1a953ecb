#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace maru {
namespace {

// Around 50 microseconds of spinning: longer than the gap between two stages, shorter than a pause
// in which the network threads want the core.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool::ThreadPool(size_t n_threads) : n_threads_(n_threads == 0 ? 1 : n_threads) {
  threads_.reserve(n_threads_ - 1);
  for (size_t i = 1; i < n_threads_; ++i) threads_.emplace_back([this, i] { worker(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run_erased(ErasedJob job, const void* context) {
  if (n_threads_ > 1) {
    job_ = job;
    context_ = context;
    n_running_.store(n_threads_ - 1, std::memory_order_relaxed);
    // Sequentially consistent with the worker's parking order (raise n_parked_, look at
    // generation_): either it sees the new generation or we see it parked.
    generation_.fetch_add(1);
    if (n_parked_.load() > 0) {
      const std::lock_guard lock(mutex_);
      wake_.notify_all();
    }
  }
  job(context, 0);
  for (int spins = 0; n_running_.load(std::memory_order_acquire) != 0;) {
    if (++spins < kSpins) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::worker(size_t thread) {
  uint64_t seen = 0;
  while (true) {
    for (int spins = 0; generation_.load(std::memory_order_acquire) == seen && spins < kSpins;
         ++spins) {
      relax();
    }
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      n_parked_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      n_parked_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    job_(context_, thread);
    n_running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace maru
