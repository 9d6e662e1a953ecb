#include "kernels/add.h"

namespace maru::kernels {
extern const Kernel kernel_add_avx2;
constinit const Kernel kernel_add_avx2 = {Op::kAdd, Isa::kAvx2, nullptr, {.add = add}};
}  // namespace maru::kernels
