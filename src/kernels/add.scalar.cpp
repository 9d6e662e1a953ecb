#include "kernels/add.h"

namespace maru::kernels {
extern const Kernel kernel_add_scalar;
constinit const Kernel kernel_add_scalar = {Op::kAdd, Isa::kScalar, nullptr, {.add = add}};
}  // namespace maru::kernels
