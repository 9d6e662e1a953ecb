#include "kernels/cpu.h"

#include <algorithm>

#include "base/log.h"
#include "kernels/amx_probe.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace maru::kernels {
namespace {

constexpr bool has_all(uint64_t bits, uint64_t wanted) { return (bits & wanted) == wanted; }
constexpr uint32_t bit(int n) { return uint32_t{1} << n; }

bool has_avx2(const X86Facts& f) {
  return has_all(f.xcr0, 0x6) &&  // SSE and AVX registers are saved
                                  // FMA, MOVBE, OSXSAVE, AVX, F16C.
         has_all(f.leaf1_ecx, bit(12) | bit(22) | bit(27) | bit(28) | bit(29)) &&
         // BMI1, AVX2, BMI2; LZCNT.
         has_all(f.leaf7_ebx, bit(3) | bit(5) | bit(8)) && has_all(f.extended1_ecx, bit(5));
}

bool has_avx512(const X86Facts& f) {
  return has_all(f.xcr0, 0xe6) &&  // mask registers and both halves of the ZMM file, too
                                   // F, DQ, CD, BW, VL; VNNI.
         has_all(f.leaf7_ebx, bit(16) | bit(17) | bit(28) | bit(30) | bit(31)) &&
         has_all(f.leaf7_ecx, bit(11));
}

bool has_amx(const X86Facts& f) {
  return has_avx512(f) && has_all(f.xcr0, bit(17) | bit(18)) &&  // tile configuration and data
         has_all(f.leaf7_edx, bit(24) | bit(25));                // AMX-TILE, AMX-INT8
}

#if defined(__x86_64__)
struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(uint32_t leaf, uint32_t subleaf) {
  Leaf r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

X86Facts read_facts() {
  const Leaf leaf1 = cpuid(1, 0), leaf7 = cpuid(7, 0);
  X86Facts f{.leaf1_ecx = leaf1.ecx,
             .leaf7_ebx = leaf7.ebx,
             .leaf7_ecx = leaf7.ecx,
             .leaf7_edx = leaf7.edx,
             .extended1_ecx = cpuid(0x80000001u, 0).ecx};
  if (leaf7.eax >= 1) f.leaf7_1_eax = cpuid(7, 1).eax;  // its eax is the highest subleaf
  if (has_all(f.leaf1_ecx, bit(27))) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    f.xcr0 = static_cast<uint64_t>(high) << 32 | low;
  }
  return f;
}
#endif

}  // namespace

std::vector<Isa> isas_of(const X86Facts& facts) {
  std::vector<Isa> isas{Isa::kScalar};
  if (!has_avx2(facts)) return isas;
  isas.push_back(Isa::kAvx2);
  if (has_all(facts.leaf7_1_eax, bit(4))) isas.push_back(Isa::kAvxVnni);
  if (has_avx512(facts)) isas.push_back(Isa::kAvx512);
  if (has_amx(facts)) isas.push_back(Isa::kAmx);
  return isas;
}

std::vector<Isa> isas_of(const ArmFacts& facts) {
  std::vector<Isa> isas{Isa::kScalar};
  if (!has_all(facts.hwcap, bit(1))) return isas;  // ASIMD
  isas.push_back(Isa::kNeon);
  if (!has_all(facts.hwcap, bit(20))) return isas;  // ASIMDDP
  isas.push_back(Isa::kNeonDot);
  if (has_all(facts.hwcap2, bit(13))) isas.push_back(Isa::kI8mm);
  return isas;
}

std::vector<Isa> probe_cpu() {
#if defined(__x86_64__)
  std::vector<Isa> isas = isas_of(read_facts());
  const auto amx = std::find(isas.begin(), isas.end(), Isa::kAmx);
  if (amx == isas.end()) return isas;
  const std::string problem = why_tiles_fail();
  if (!problem.empty()) {
    log_warning("AMX is not used: {}", problem);
    isas.erase(amx);
  }
  return isas;
#elif defined(__aarch64__)
  return isas_of(ArmFacts{getauxval(AT_HWCAP), getauxval(AT_HWCAP2)});
#else
  return {Isa::kScalar};
#endif
}

}  // namespace maru::kernels
