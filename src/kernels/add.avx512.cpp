#include "kernels/add.h"

namespace maru::kernels {
extern const Kernel kernel_add_avx512;
constinit const Kernel kernel_add_avx512 = {Op::kAdd, Isa::kAvx512, nullptr, {.add = add}};
}  // namespace maru::kernels
