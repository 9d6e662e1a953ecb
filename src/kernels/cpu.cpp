// What this CPU and its operating system can run.
#include "kernels/dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace maru::kernels {
namespace {

#if defined(__x86_64__)
struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(unsigned leaf, unsigned subleaf) {
  Leaf r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

uint64_t read_xcr0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

constexpr bool has_all(uint64_t bits, uint64_t wanted) { return (bits & wanted) == wanted; }
constexpr unsigned bit(int n) { return 1u << n; }
#endif

}  // namespace

Isa detect_isa() {
#if defined(__x86_64__)
  const Leaf basic = cpuid(1, 0), extended = cpuid(7, 0), amd = cpuid(0x80000001u, 0);
  // FMA, MOVBE, OSXSAVE, AVX, F16C.
  if (!has_all(basic.ecx, bit(12) | bit(22) | bit(27) | bit(28) | bit(29))) return Isa::kScalar;
  // BMI1, AVX2, BMI2; LZCNT.
  if (!has_all(extended.ebx, bit(3) | bit(5) | bit(8)) || !has_all(amd.ecx, bit(5))) {
    return Isa::kScalar;
  }
  const uint64_t xcr0 = read_xcr0();
  if (!has_all(xcr0, 0x6)) return Isa::kScalar;  // SSE and AVX registers are saved
  // F, DQ, CD, BW, VL; VNNI; mask registers and both halves of the ZMM file are saved.
  if (has_all(extended.ebx, bit(16) | bit(17) | bit(28) | bit(30) | bit(31)) &&
      has_all(extended.ecx, bit(11)) && has_all(xcr0, 0xe6)) {
    return Isa::kAvx512;
  }
  return Isa::kAvx2;
#else
  return Isa::kScalar;
#endif
}

}  // namespace maru::kernels
