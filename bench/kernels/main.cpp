// Speed of every linear kernel in the table: GMAC/s, weight GB/s, share of a register-only peak
// loop that runs before and after each kernel. One JSON object a line. Quiet machine wanted; the
// figures are medians.
//
// usage: maru_bench_kernels [layout=q4_1 or none: the peak alone] [isa=avx512] [rows=1,512]
// [out=4096] [k=1536] [threads=2]
//        [clock=cpu]
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/dispatch.h"
#include "kernels/peak.h"
#include "tensor/packed_weight.h"

namespace maru::bench {
namespace {

struct Options {
  std::map<std::string, std::string> values;

  std::string get(const std::string& key, const std::string& fallback) const {
    const auto found = values.find(key);
    return found == values.end() ? fallback : found->second;
  }
  size_t number(const std::string& key, size_t fallback) const {
    return std::stoull(get(key, std::to_string(fallback)));
  }
};

// Wall time, or CPU time over the number of threads: steadier where others use the machine too, but
// blind to waiting. With several threads it counts their spinning.
struct Timer {
  bool cpu;
  size_t n_threads;

  double now() const {
    timespec t;
    clock_gettime(cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    const double s = static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
    return cpu ? s / static_cast<double>(n_threads) : s;
  }
  template <class Work>
  double seconds(const Work& work) const {
    const double start = now();
    work();
    return now() - start;
  }
};

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
  return x[x.size() / 2];
}

PeakFn peak_of(kernels::Isa isa) {
  switch (isa) {
    case kernels::Isa::kAvx2: return peak_avx2;
    case kernels::Isa::kAvxVnni: return peak_avxvnni;
    case kernels::Isa::kAvx512: return peak_avx512;
    case kernels::Isa::kAmx: return peak_avx512;  // what AMX is held against, too
    default: return nullptr;
  }
}

// Multiply-adds per second of all threads; 0 where there is no loop for the tier or one below it.
double measure_peak(kernels::Isa isa, ThreadPool& pool, const Timer& timer) {
  PeakFn peak = peak_of(isa);
  while (peak == nullptr && isa != kernels::Isa::kScalar) {
    isa = kernels::implied_isa(isa);
    peak = peak_of(isa);
  }
  if (peak == nullptr) return 0;
  std::vector<double> rates;
  for (int i = 0; i < 3; ++i) {
    std::vector<uint64_t> done(pool.size());
    std::vector<int32_t> sinks(pool.size());
    const double s = timer.seconds([&] {
      pool.share(done.size(), 1,
                 [&](size_t, size_t at, size_t) { done[at] = peak(16'000'000, &sinks[at]); });
    });
    uint64_t total = 0;
    for (uint64_t n : done) total += n;
    rates.push_back(static_cast<double>(total) / s);
  }
  return median(rates);
}

struct Buffer {
  explicit Buffer(size_t n) : data(new(std::align_val_t{64}) uint8_t[n]()) {}
  ~Buffer() { ::operator delete[](data, std::align_val_t{64}); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  uint8_t* data;
};

struct Shape {
  size_t rows, out, k;
};

tensor::PackedWeight random_weight(const tensor::BlockFormat& format, const Shape& s,
                                   ThreadPool& pool) {
  std::mt19937 random(1);
  std::vector<uint8_t> row(tensor::format_bytes(format, s.k));
  for (uint8_t& byte : row) byte = static_cast<uint8_t>(random() & 0x3b);  // no NaN, no infinity
  std::vector<uint8_t> rows(row.size() * s.out);
  for (size_t i = 0; i < s.out; ++i) std::memcpy(&rows[i * row.size()], row.data(), row.size());
  return tensor::PackedWeight::pack(format, rows.data(), s.out, s.k, pool);
}

void bench(const tensor::BlockFormat& format, kernels::Isa isa, const Shape& s, ThreadPool& pool,
           const Timer& timer) {
  const kernels::KernelSet set(isa);
  const auto weight = random_weight(format, s, pool);
  std::vector<float> x(s.rows * s.k), out(s.rows * s.out);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8;
  Buffer quantised(kernels::quantised_bytes(s.rows, s.k));
  if (!format.float_input) set.quantise({x.data(), s.k, s.rows, s.k, 0, s.rows, quantised.data});
  const void* input = format.float_input ? static_cast<const void*>(x.data()) : quantised.data;
  const size_t grain = std::max<size_t>(4, weight.n_panels() / (pool.size() * 8) / 4 * 4);
  const auto run = [&] {
    pool.parallel_for(weight.n_panels(), grain, [&](size_t begin, size_t end) {
      linear(set, weight,
             {.x = input,
              .ld_x = s.k,
              .n_rows = s.rows,
              .panel_begin = begin,
              .panel_end = end,
              .out = out.data(),
              .ld_out = s.out});
    });
  };
  const double peak_before = measure_peak(isa, pool, timer);
  const double once = timer.seconds(run);
  const size_t repeats = static_cast<size_t>(std::clamp(0.3 / std::max(once, 1e-6), 3.0, 2000.0));
  std::vector<double> times;
  for (size_t i = 0; i < repeats; ++i) times.push_back(timer.seconds(run));
  const double t = median(times);
  const double peak = (peak_before + measure_peak(isa, pool, timer)) / 2;
  const double macs =
      static_cast<double>(s.rows) * static_cast<double>(s.out) * static_cast<double>(s.k);
  std::printf(
      "{\"op\":\"linear\",\"layout\":\"%s\",\"isa\":\"%s\",\"rows\":%zu,\"out\":%zu,\"k\":%zu,"
      "\"threads\":%zu,\"gmac_s\":%.1f,\"gb_s\":%.1f,\"peak_gmac_s\":%.1f,"
      "\"share_of_peak\":%.3f}\n",
      format.layout, kernels::isa_name(isa), s.rows, s.out, s.k, pool.size(), macs / t * 1e-9,
      static_cast<double>(weight.bytes()) / t * 1e-9, peak * 1e-9,
      peak > 0 ? macs / t / peak : 0.0);
  std::fflush(stdout);
}

std::vector<size_t> numbers(const std::string& list) {
  std::vector<size_t> result;
  for (size_t at = 0; at < list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    result.push_back(std::stoull(list.substr(at, comma - at)));
    at = comma + 1;
  }
  return result;
}

int run_all(const Options& options) {
  ThreadPool pool(options.number("threads", 2));
  const Timer timer{options.get("clock", "wall") == "cpu", pool.size()};
  const std::string layout = options.get("layout", ""), isa_wanted = options.get("isa", "");
  const kernels::Isa best = kernels::detect_isa();
  std::printf("{\"op\":\"peak\",\"isa\":\"%s\",\"threads\":%zu,\"gmac_s\":%.1f}\n",
              kernels::isa_name(best), pool.size(), measure_peak(best, pool, timer) * 1e-9);
  for (const kernels::Kernel* kernel : kernels::all_kernels()) {
    if (kernel->op != kernels::Op::kLinear || !kernels::is_supported(kernel->isa)) continue;
    if (!layout.empty() && layout != kernel->layout) continue;
    if (!isa_wanted.empty() && isa_wanted != kernels::isa_name(kernel->isa)) continue;
    const tensor::BlockFormat* format = tensor::find_format(kernel->layout);
    if (format == nullptr) continue;
    for (size_t rows : numbers(options.get("rows", "1,512"))) {
      // One row is bound by memory only if the matrix is larger than the caches.
      const Shape shape{rows, options.number("out", rows == 1 ? 98304 : 1536),
                        options.number("k", 768)};
      bench(*format, kernel->isa, shape, pool, timer);
    }
  }
  return 0;
}

}  // namespace
}  // namespace maru::bench

int main(int argc, char** argv) {
  maru::bench::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const size_t equals = arg.find('=');
    if (equals == std::string::npos) {
      std::fprintf(stderr, "not key=value: %s\n", argv[i]);
      return 2;
    }
    options.values[arg.substr(0, equals)] = arg.substr(equals + 1);
  }
  return maru::bench::run_all(options);
}
