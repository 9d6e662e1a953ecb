#include "apps/machine_speed.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <vector>

#include "base/check.h"
#include "tensor/packed_weight.h"

namespace maru::apps {
namespace {

constexpr size_t kWidth = 2048;             // columns of the matrix
constexpr size_t kMostBytes = 256U << 20U;  // beyond any cache of today
constexpr size_t kPromptRows = 512;
constexpr size_t kPromptOut = 4096;

class AlignedBytes {
 public:
  explicit AlignedBytes(size_t n) : data_(new(kAlign) uint8_t[n]()) {}
  ~AlignedBytes() { ::operator delete[](data_, kAlign); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  uint8_t* get() const { return data_; }

 private:
  static constexpr std::align_val_t kAlign{64};
  uint8_t* data_;
};

// A matrix of the most common kind of weights. What the numbers are makes no difference to time.
tensor::PackedWeight some_weight(size_t n_out, ThreadPool& pool) {
  const tensor::BlockFormat* format = tensor::find_format("q4_k");
  MARU_CHECK(format != nullptr);
  const size_t row_bytes = tensor::format_bytes(*format, kWidth);
  std::vector<uint8_t> rows(row_bytes * n_out);
  uint32_t state = 1;
  for (uint8_t& byte : rows) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>((state >> 24) & 0x3b);  // neither NaN nor infinity as a half
  }
  return tensor::PackedWeight::pack(*format, rows.data(), n_out, kWidth, pool);
}

// Seconds of one product, the median over `time`.
double seconds_of(kernels::Isa isa, const tensor::PackedWeight& weight, size_t n_rows,
                  ThreadPool& pool, std::chrono::milliseconds time) {
  using Clock = std::chrono::steady_clock;
  const kernels::KernelSet set(isa);
  std::vector<float> x(n_rows * kWidth), out(n_rows * weight.n_out());
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8;
  const AlignedBytes input(kernels::quantised_bytes(n_rows, kWidth));
  set.quantise({x.data(), kWidth, n_rows, kWidth, 0, n_rows, input.get()});
  const size_t grain = std::max<size_t>(4, weight.n_panels() / (pool.size() * 8) / 4 * 4);
  std::vector<double> seconds;
  const auto end = Clock::now() + time;
  while (seconds.size() < 3 || Clock::now() < end) {
    const auto begin = Clock::now();
    pool.parallel_for(weight.n_panels(), grain, [&](size_t first, size_t last) {
      linear(set, weight,
             {.x = input.get(),
              .ld_x = kWidth,
              .n_rows = n_rows,
              .panel_begin = first,
              .panel_end = last,
              .out = out.data(),
              .ld_out = weight.n_out()});
    });
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

service::MachineSpeed measure_machine(kernels::Isa isa, ThreadPool& pool, uint64_t free_bytes,
                                      std::chrono::milliseconds time) {
  const size_t most = std::min<size_t>(kMostBytes, free_bytes / 8);
  const size_t row_bytes = tensor::format_bytes(*tensor::find_format("q4_k"), kWidth);
  const size_t n_out = std::max(kPromptOut, most / row_bytes / 64 * 64);
  service::MachineSpeed speed;
  {
    const tensor::PackedWeight weight = some_weight(n_out, pool);
    speed.read_bytes_per_s =
        static_cast<double>(weight.bytes()) / seconds_of(isa, weight, 1, pool, time / 2);
  }
  const tensor::PackedWeight weight = some_weight(kPromptOut, pool);
  constexpr double kMacs = double{kPromptRows} * double{kPromptOut} * double{kWidth};
  speed.macs_per_s = kMacs / seconds_of(isa, weight, kPromptRows, pool, time / 2);
  return speed;
}

}  // namespace maru::apps
