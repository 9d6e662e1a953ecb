#include "kernels/amx_probe.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "kernels/activations.h"
#include "kernels/block_layout.h"
#include "kernels/dispatch.h"

namespace maru::kernels {
namespace {

constexpr size_t kTokens = 16, kColumns = 2 * kActBlock;
constexpr size_t kPanelBytes = kColumns / 32 * kLayoutQ8_0.group_bytes();

// 16 tokens by one panel, all scales 1, so that every order of additions gives the same floats.
struct Problem {
  alignas(64) uint8_t weight[kPanelBytes];
  alignas(64) uint8_t x[kTokens * kColumns * 2];
  float out[kTokens][kPanelRows];
};
static_assert(sizeof Problem::x >= kTokens * kColumns + 3 * kTokens * (kColumns / kActBlock) * 4);

void fill(Problem& p) {
  for (size_t i = 0; i < kPanelBytes; ++i) p.weight[i] = static_cast<uint8_t>(i * 37 + i / 64);
  const uint16_t one_f16 = 0x3c00;
  for (size_t b = 0; b < kColumns / 32; ++b) {
    uint8_t* scales = p.weight + b * kLayoutQ8_0.group_bytes() + kLayoutQ8_0.quant_bytes();
    for (size_t row = 0; row < kPanelRows; ++row) std::memcpy(scales + row * 2, &one_f16, 2);
  }
  std::memset(p.x, 0, sizeof p.x);
  for (size_t row = 0; row < kTokens; row += kActRowGroup) {
    const auto group = activation_group(&p.x[0], kTokens, kColumns, row);
    const float one = 1.0f;
    for (size_t b = 0; b < kColumns / kActBlock; ++b) {
      for (size_t t = 0; t < group.width; ++t) {
        int16_t halves[2] = {};
        for (size_t i = 0; i < kActBlock; ++i) {
          const int value = static_cast<int>((row + t + 3 * b + 5 * i) % 255) - 127;
          group.quants[((b * 8 + i / 4) * group.width + t) * 4 + i % 4] =
              static_cast<uint8_t>(value);
          halves[i / 16] = static_cast<int16_t>(halves[i / 16] + value);
        }
        std::memcpy(group.scales + (b * group.width + t) * 4, &one, 4);
        std::memcpy(group.half_sums + (b * group.width + t) * 4, halves, 4);
      }
    }
  }
}

void solve(LinearFn product, Problem& p) {
  product({.weight = p.weight,
           .panel_bytes = kPanelBytes,
           .x = p.x,
           .ld_x = kColumns,
           .n_rows = kTokens,
           .k = kColumns,
           .n_out = kPanelRows,
           .panel_begin = 0,
           .panel_end = 1,
           .out = &p.out[0][0],
           .ld_out = kPanelRows,
           .row_base = 0,
           .accumulate = false});
}

// The child touches nothing but its stack, so that the fork is safe beside other threads.
[[noreturn]] void run_child(LinearFn product, Problem& p, const Problem& want) {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGALRM}) std::signal(signal, SIG_DFL);
  alarm(5);
  solve(product, p);
  // Bit by bit. NOLINTNEXTLINE(*-suspicious-memory-comparison)
  _exit(std::memcmp(p.out, want.out, sizeof p.out) == 0 ? 0 : 1);
}

LinearFn q8_0_kernel(Isa isa) {
  for (const Kernel* kernel : all_kernels()) {
    if (kernel->op == Op::kLinear && kernel->isa == isa &&
        std::string_view(kernel->layout) == "q8_0") {
      return kernel->fn.linear;
    }
  }
  return nullptr;
}

}  // namespace

std::string why_product_fails(LinearFn product, LinearFn reference) {
  Problem p, want;
  fill(p);
  fill(want);
  solve(reference, want);
  const pid_t child = fork();
  if (child < 0) return std::string("no process to try it in: ") + std::strerror(errno);
  if (child == 0) run_child(product, p, want);
  int status = 0;
  pid_t ended;
  do {
    ended = waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended < 0) return std::string("waiting for a trial product: ") + std::strerror(errno);
  if (WIFSIGNALED(status)) {
    return "a trial product died of signal " + std::to_string(WTERMSIG(status));
  }
  return WEXITSTATUS(status) == 0 ? "" : "a trial product gave a wrong result";
}

std::string why_tiles_fail() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(2), XCR0's bit
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) {
    return std::string("the system does not permit its registers: ") + std::strerror(errno);
  }
#endif
  const LinearFn amx = q8_0_kernel(Isa::kAmx);
  if (amx == nullptr) return "this program has no kernels for it";
  return why_product_fails(amx, q8_0_kernel(Isa::kScalar));
}

}  // namespace maru::kernels
