// What the machine could do: products in registers, no memory.
#pragma once

#include <cstdint>

namespace maru::bench {

// Runs `steps` rounds of independent int8 dot products; returns multiply-adds done. The sum of the
// results goes to *sink, so that nothing is optimised away.
using PeakFn = uint64_t (*)(uint64_t steps, int32_t* sink);
uint64_t peak_avx2(uint64_t steps, int32_t* sink);
uint64_t peak_avxvnni(uint64_t steps, int32_t* sink);
uint64_t peak_avx512(uint64_t steps, int32_t* sink);

}  // namespace maru::bench
