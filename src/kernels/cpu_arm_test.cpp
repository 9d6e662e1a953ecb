// What the operating system reports against what the CPU does: an instruction of each optional tier
// is run in a process of its own and ends it by SIGILL exactly if the tier isn't counted.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "kernels/dispatch.h"

namespace maru::kernels {
namespace {

[[noreturn]] void run_sdot() {
  __asm__ volatile(".inst 0x4e809400" ::: "v0");  // sdot v0.4s, v0.16b, v0.16b
  std::exit(0);
}

[[noreturn]] void run_smmla() {
  __asm__ volatile(".inst 0x4e80a400" ::: "v0");  // smmla v0.4s, v0.16b, v0.16b
  std::exit(0);
}

// Whether a process ended as one with or without an instruction ends.
auto ends_as(bool runs) {
  return [runs](int status) {
    return runs ? testing::ExitedWithCode(0)(status) : testing::KilledBySignal(SIGILL)(status);
  };
}

TEST(ArmDeathTest, CountsATierIfAndOnlyIfItsInstructionRuns) {
  EXPECT_TRUE(is_supported(Isa::kNeon));
  EXPECT_EXIT(run_sdot(), ends_as(is_supported(Isa::kNeonDot)), "");
  EXPECT_EXIT(run_smmla(), ends_as(is_supported(Isa::kI8mm)), "");
}

}  // namespace
}  // namespace maru::kernels
