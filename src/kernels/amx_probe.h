// Whether the tiles of AMX can be used: more than the CPU's bits say, because the system grants
// them to a process on request, and hypervisors are known to report bits whose instructions fault.
#pragma once

#include <string>

#include "kernels/kernel_api.h"

namespace maru::kernels {

// Asks the system for the tile registers and tries one product. Why they can't be used; empty if
// they can. Linux on x86-64; the permission holds for all threads of the process.
std::string why_tiles_fail();

// Runs `product` (of layout q8_0) in a child process and compares its result with `reference`'s.
// Why they differ or the child died; empty if all is well.
std::string why_product_fails(LinearFn product, LinearFn reference);

}  // namespace maru::kernels
