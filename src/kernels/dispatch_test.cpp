// Which tiers a CPU has, which one is chosen, and which kernels it gets.
#include "kernels/dispatch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "kernels/amx_probe.h"
#include "kernels/cpu.h"

namespace maru::kernels {
namespace {

constexpr Isa kAllIsas[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512,
                            Isa::kAmx,    Isa::kNeon, Isa::kNeonDot, Isa::kI8mm};

// What a server with everything that the kernels use reports.
X86Facts full_facts() {
  return {.leaf1_ecx = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29,
          .leaf7_ebx =
              1u << 3 | 1u << 5 | 1u << 8 | 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31,
          .leaf7_ecx = 1u << 11,
          .leaf7_edx = 1u << 24 | 1u << 25,
          .leaf7_1_eax = 1u << 4,
          .extended1_ecx = 1u << 5,
          .xcr0 = 0x600e7};
}

template <class Facts>
std::set<Isa> isas(const Facts& facts) {
  const auto found = isas_of(facts);
  return {found.begin(), found.end()};
}

TEST(Cpu, CountsAFeatureOnlyWithItsRegisters) {
  EXPECT_EQ(isas(X86Facts{}), std::set{Isa::kScalar});
  EXPECT_TRUE(isas(full_facts()).contains(Isa::kAvx512));
  X86Facts f = full_facts();
  f.xcr0 = 0x3;  // no AVX state
  EXPECT_EQ(isas(f), std::set{Isa::kScalar});
  f.xcr0 = 0x7;  // no ZMM state
  EXPECT_EQ(isas(f), (std::set{Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni}));
  f.xcr0 = 0x67;  // half of the ZMM state
  EXPECT_EQ(isas(f), (std::set{Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni}));
}

TEST(Cpu, NeedsEveryBitOfATier) {
  for (int i = 0; i < 32; ++i) {
    X86Facts f = full_facts();
    f.leaf1_ecx &= ~(1u << i);
    EXPECT_EQ(isas(f).contains(Isa::kAvx2), f.leaf1_ecx == full_facts().leaf1_ecx) << i;
    f = full_facts();
    f.leaf7_ebx &= ~(1u << i);
    EXPECT_EQ(isas(f).contains(Isa::kAvx512), f.leaf7_ebx == full_facts().leaf7_ebx) << i;
  }
}

TEST(Cpu, HasVnniOfEitherWidthWithoutTheOther) {
  X86Facts f = full_facts();
  f.leaf7_1_eax = 0;
  EXPECT_FALSE(isas(f).contains(Isa::kAvxVnni));
  EXPECT_TRUE(isas(f).contains(Isa::kAvx512));
  f = full_facts();
  f.leaf7_ebx &= ~(1u << 16);
  EXPECT_TRUE(isas(f).contains(Isa::kAvxVnni));
  EXPECT_FALSE(isas(f).contains(Isa::kAvx512));
}

TEST(Cpu, HasTilesOnlyWithBothPartsOfTheirState) {
  EXPECT_TRUE(isas(full_facts()).contains(Isa::kAmx));
  for (uint64_t state : {uint64_t{1} << 17, uint64_t{1} << 18}) {
    X86Facts f = full_facts();
    f.xcr0 &= ~state;
    EXPECT_FALSE(isas(f).contains(Isa::kAmx));
    EXPECT_TRUE(isas(f).contains(Isa::kAvx512));
  }
  for (int i = 0; i < 32; ++i) {
    X86Facts f = full_facts();
    f.leaf7_edx &= ~(1u << i);
    EXPECT_EQ(isas(f).contains(Isa::kAmx), i != 24 && i != 25) << i;
  }
  X86Facts f = full_facts();
  f.leaf7_ecx = 0;  // its kernels rescale by AVX-512
  EXPECT_EQ(isas(f), (std::set{Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni}));
}

LinearFn scalar_q8_0() { return KernelSet(Isa::kScalar).linear("q8_0"); }

TEST(AmxProbe, TrustsAProductThatIsRight) {
  EXPECT_EQ(why_product_fails(scalar_q8_0(), scalar_q8_0()), "");
  for (Isa isa : supported_isas()) {
    EXPECT_EQ(why_product_fails(KernelSet(isa).linear("q8_0"), scalar_q8_0()), "");
  }
}

TEST(AmxProbe, SurvivesAProductThatDies) {
  const std::string why =
      why_product_fails([](const LinearArgs&) { __builtin_trap(); }, scalar_q8_0());
  EXPECT_NE(why.find("signal"), std::string::npos) << why;
}

TEST(AmxProbe, SeesOneWrongValue) {
  const std::string why = why_product_fails(
      [](const LinearArgs& a) {
        scalar_q8_0()(a);
        a.out[17] += 1;
      },
      scalar_q8_0());
  EXPECT_NE(why.find("wrong result"), std::string::npos) << why;
}

TEST(AmxProbe, SaysWhyThereAreNoTiles) {
  // Where the tier is supported they work; elsewhere there is a reason to log.
  EXPECT_EQ(why_tiles_fail().empty(), is_supported(Isa::kAmx));
}

// Bits of the kernel's interface: HWCAP_ASIMD, HWCAP_ASIMDDP, HWCAP2_I8MM.
TEST(Cpu, ReadsTheAuxiliaryVectorOfAnArm) {
  const uint64_t asimd = 1u << 1, dot = 1u << 20, i8mm = 1u << 13;
  EXPECT_EQ(isas(ArmFacts{}), std::set{Isa::kScalar});
  EXPECT_EQ(isas(ArmFacts{asimd, 0}), (std::set{Isa::kScalar, Isa::kNeon}));
  EXPECT_EQ(isas(ArmFacts{asimd | dot, 0}), (std::set{Isa::kScalar, Isa::kNeon, Isa::kNeonDot}));
  EXPECT_EQ(isas(ArmFacts{asimd | dot, i8mm}),
            (std::set{Isa::kScalar, Isa::kNeon, Isa::kNeonDot, Isa::kI8mm}));
  // The kernels of i8mm use sdot, too.
  EXPECT_EQ(isas(ArmFacts{asimd, i8mm}), (std::set{Isa::kScalar, Isa::kNeon}));
}

TEST(Dispatch, SupportsWhatATierImplies) {
  ASSERT_FALSE(supported_isas().empty());
  EXPECT_EQ(supported_isas().front(), Isa::kScalar);
  EXPECT_EQ(supported_isas().back(), detect_isa());
  for (Isa isa : supported_isas()) {
    EXPECT_TRUE(is_supported(implied_isa(isa))) << isa_name(isa);
    int steps = 0;
    for (Isa at = isa; at != Isa::kScalar; at = implied_isa(at)) ASSERT_LT(++steps, 8);
  }
}

// Kernels are only looked at here, so that tiers of other CPUs can be looked at, too.
TEST(Dispatch, TakesATiersOwnKernelsOrTheNextImplied) {
  for (Isa isa : kAllIsas) {
    const KernelSet set(isa);
    EXPECT_EQ(set.isa(), isa);
    for (const Kernel* kernel : all_kernels()) {
      if (kernel->op != Op::kLinear || kernel->isa != Isa::kScalar) continue;
      const std::string_view layout = kernel->layout;
      Isa want = isa;
      const auto has_own = [&](const Kernel* k) {
        return k->op == Op::kLinear && k->isa == want && layout == k->layout;
      };
      while (!std::any_of(all_kernels().begin(), all_kernels().end(), has_own)) {
        want = implied_isa(want);
      }
      EXPECT_EQ(set.linear_isa(layout), want) << layout;
      EXPECT_NE(set.linear(layout), nullptr);
    }
  }
}

TEST(Dispatch, KnowsItsTiersByName) {
  const auto unknown = parse_isa("sse9");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(unknown.error().hint.find("avx2"), std::string::npos);
  for (Isa isa : kAllIsas) {
    const auto parsed = parse_isa(isa_name(isa));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, isa);
  }
}

// choose_isa() with a value of the variable.
Result<Isa> choose_with(const char* value) {
  const char* before = std::getenv("MARU_FORCE_ISA");
  const std::string kept = before == nullptr ? "" : before;
  setenv("MARU_FORCE_ISA", value, 1);
  auto chosen = choose_isa();
  setenv("MARU_FORCE_ISA", kept.c_str(), 1);
  return chosen;
}

TEST(Dispatch, FollowsTheVariableThatForcesATier) {
  const auto forced = choose_with("scalar");
  ASSERT_TRUE(forced);
  EXPECT_EQ(*forced, Isa::kScalar);
  const auto unknown = choose_with("mmx");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidArgument);
  const auto free_choice = choose_with("");
  ASSERT_TRUE(free_choice);
  EXPECT_EQ(*free_choice, detect_isa());
}

TEST(Dispatch, RefusesATierThatTheCpuLacks) {
  for (Isa isa : kAllIsas) {
    const auto chosen = choose_with(isa_name(isa));
    ASSERT_EQ(chosen.has_value(), is_supported(isa)) << isa_name(isa);
    if (chosen) {
      EXPECT_EQ(*chosen, isa);
    } else {
      EXPECT_EQ(chosen.error().code, ErrorCode::kInvalidArgument);
      EXPECT_NE(chosen.error().message.find(isa_name(isa)), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace maru::kernels
