#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace maru {
namespace {

// Around 50 microseconds of spinning: longer than the gap between two stages, shorter than a pause
// in which the network threads want the core.
constexpr int kSpins = 2000;

// Bytes that a waiting thread asks for before it looks again whether there is work.
constexpr size_t kStepAhead = 512, kLine = 64;

// ThreadPool::state_: the job's number from bit 17 on, the closed bit, threads inside below it.
constexpr uint64_t kClosed = uint64_t{1} << 16;
constexpr uint64_t kInside = kClosed - 1;
uint64_t number_of(uint64_t state) { return state >> 17; }

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

// Brings a few lines to the cache; false if there are none left.
bool ThreadPool::step_ahead(size_t thread, ReadAhead& own) const {
  const uintptr_t hint = ahead_.load(std::memory_order_relaxed);
  if (hint != own.hint) {
    const size_t size = ahead_size_.load(std::memory_order_relaxed);
    own = {hint, hint + thread * size, hint + (thread + 1) * size};
  }
  if (own.at >= own.end) return false;
  for (size_t i = 0; i < kStepAhead; i += kLine) {
    // A number on its way: arithmetic on a pointer to memory that is gone would not be defined.
    __builtin_prefetch(reinterpret_cast<const void*>(own.at + i));  // NOLINT(*-no-int-to-ptr)
  }
  own.at += kStepAhead;
  return true;
}

ThreadPool::ThreadPool(size_t n_threads)
    : n_threads_(n_threads == 0 ? 1 : n_threads), state_(kClosed) {
  threads_.reserve(n_threads_ - 1);
  for (size_t i = 1; i < n_threads_; ++i) threads_.emplace_back([this, i] { worker(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    state_.store((number_of(state_.load()) + 1) << 17 | kClosed);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run_erased(ErasedJob job, const void* context) {
  job_ = job;
  context_ = context;
  // The last job is closed and empty, so no worker changes the state now. Sequentially consistent
  // with the worker's parking order (raise n_parked_, look at state_): either it sees the new job
  // or we see it parked.
  state_.store((number_of(state_.load(std::memory_order_relaxed)) + 1) << 17);
  if (n_parked_.load() > 0) {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  job(context, 0);
  state_.fetch_or(kClosed);
  for (int spins = 0; (state_.load(std::memory_order_acquire) & kInside) != 0;) {
    if (step_ahead(0, ahead_of_caller_)) continue;
    if (++spins < kSpins) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

// Takes part in the current job unless it is closed. `seen`: the last job's number, updated.
bool ThreadPool::enter(uint64_t& seen) {
  uint64_t state = state_.load(std::memory_order_acquire);
  while (number_of(state) != seen && (state & kClosed) == 0) {
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) {
      seen = number_of(state);
      return true;
    }
  }
  seen = number_of(state);
  return false;
}

void ThreadPool::worker(size_t thread) {
  uint64_t seen = 0;
  ReadAhead ahead;
  auto is_new = [&](uint64_t state) { return number_of(state) != seen; };
  while (true) {
    for (int spins = 0; !is_new(state_.load(std::memory_order_acquire)) && spins < kSpins; ++spins)
      if (!step_ahead(thread, ahead)) relax();
    if (!is_new(state_.load(std::memory_order_acquire))) {
      std::unique_lock lock(mutex_);
      n_parked_.fetch_add(1);
      wake_.wait(lock, [&] { return is_new(state_.load()); });
      n_parked_.fetch_sub(1);
    }
    if (stopping_.load()) return;
    if (!enter(seen)) continue;
    job_(context_, thread);
    state_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace maru
