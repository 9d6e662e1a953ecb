// The rate at which this machine's threads read memory: what bounds a decode step. Reads a buffer
// of the given size again and again, each thread its own part, and prints one JSON object for each
// number of threads; the figure is the median over passes of the better of several loops (with and
// without prefetch).
//
// usage: maru_bench_memory [mb=96] [threads=1,2] [ms=400]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/dispatch.h"
#include "memory/read.h"

namespace maru::bench {
namespace {

constexpr size_t kPart = 512;  // the loops' step
constexpr size_t kAhead[] = {0, 1024, 4096};

ReadFn best_read() {
#ifdef __x86_64__
  if (kernels::is_supported(kernels::Isa::kAvx512)) return read_avx512;
  if (kernels::is_supported(kernels::Isa::kAvx2)) return read_avx2;
  return nullptr;
#else
  return read_plain;
#endif
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// Bytes a second, of one way to read.
double rate(ReadFn read, const uint8_t* data, size_t size, size_t ahead, ThreadPool& pool,
            std::chrono::milliseconds time) {
  using Clock = std::chrono::steady_clock;
  const size_t part = size / pool.size() / kPart * kPart;
  std::vector<uint64_t> sinks(pool.size() * 8);
  std::vector<double> rates;
  const auto end = Clock::now() + time;
  while (rates.size() < 3 || Clock::now() < end) {
    const auto begin = Clock::now();
    pool.share(pool.size(), 1, [&](size_t thread, size_t at, size_t) {
      read(data + at * part, part, ahead, &sinks[thread * 8]);
    });
    const std::chrono::duration<double> taken = Clock::now() - begin;
    rates.push_back(static_cast<double>(part * pool.size()) / taken.count());
  }
  volatile uint64_t used = 0;  // the sums must be computed
  for (const uint64_t sink : sinks) used = used + sink;
  return median(rates);
}

int run(size_t mb, const std::vector<size_t>& thread_counts, std::chrono::milliseconds time) {
  const ReadFn read = best_read();
  if (read == nullptr) {
    std::fprintf(stderr, "this CPU lacks AVX2\n");
    return 1;
  }
  const size_t size = mb * 1'000'000 / 4096 * 4096;
  auto* data = static_cast<uint8_t*>(std::aligned_alloc(4096, size));
  if (data == nullptr) {
    std::fprintf(stderr, "no memory for %zu MB\n", mb);
    return 1;
  }
  for (size_t i = 0; i < size; i += 64) data[i] = static_cast<uint8_t>(i >> 6);
  for (const size_t n_threads : thread_counts) {
    ThreadPool pool(n_threads);
    double best = 0.0;
    size_t best_ahead = 0;
    for (const size_t ahead : kAhead) {
      const double bytes = rate(read, data, size, ahead, pool, time / std::size(kAhead));
      if (bytes > best) best = bytes, best_ahead = ahead;
    }
    std::printf("{\"op\":\"read\",\"mb\":%zu,\"threads\":%zu,\"gb_s\":%.2f,\"ahead\":%zu}\n", mb,
                n_threads, best * 1e-9, best_ahead);
  }
  std::free(data);
  return 0;
}

}  // namespace
}  // namespace maru::bench

int main(int argc, char** argv) {
  std::map<std::string, std::string> values = {{"mb", "96"}, {"threads", "1,2"}, {"ms", "400"}};
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    if (equals == std::string::npos || !values.contains(arg.substr(0, equals))) {
      std::fprintf(stderr, "unknown: %s (known: mb=N threads=N,N ms=N)\n", argv[i]);
      return 2;
    }
    values[arg.substr(0, equals)] = arg.substr(equals + 1);
  }
  std::vector<size_t> threads;
  const std::string& list = values["threads"];
  for (size_t at = 0; at < list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    threads.push_back(std::max<size_t>(1, std::strtoull(list.c_str() + at, nullptr, 10)));
    at = comma + 1;
  }
  const size_t mb = std::max<size_t>(1, std::strtoull(values["mb"].c_str(), nullptr, 10));
  const auto ms = std::chrono::milliseconds(std::strtoull(values["ms"].c_str(), nullptr, 10));
  return maru::bench::run(mb, threads, ms);
}
