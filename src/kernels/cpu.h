// What a CPU and its operating system can run, by the bits that they report.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel_api.h"

namespace maru::kernels {

// Registers of CPUID leaves, and XCR0: which registers the operating system saves.
struct X86Facts {
  uint32_t leaf1_ecx = 0;
  uint32_t leaf7_ebx = 0, leaf7_ecx = 0, leaf7_edx = 0;
  uint32_t leaf7_1_eax = 0;
  uint32_t extended1_ecx = 0;  // leaf 0x80000001
  uint64_t xcr0 = 0;           // 0 without OSXSAVE
};

// The auxiliary vector's AT_HWCAP and AT_HWCAP2 of 64-bit Linux.
struct ArmFacts {
  uint64_t hwcap = 0, hwcap2 = 0;
};

// The tiers that these facts allow, in any order; never without kScalar. A feature counts only when
// the operating system saves its registers.
std::vector<Isa> isas_of(const X86Facts& facts);
std::vector<Isa> isas_of(const ArmFacts& facts);

// The tiers of this machine. AMX is left out, with a line in the log, where its registers may not
// be used or a product in a child process goes wrong.
std::vector<Isa> probe_cpu();

}  // namespace maru::kernels
