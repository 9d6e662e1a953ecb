#include "kernels/store_kv.h"

namespace maru::kernels {
extern const Kernel kernel_store_kv_scalar;
constinit const Kernel kernel_store_kv_scalar = {
    Op::kStoreKv, Isa::kScalar, nullptr, {.store_kv = store_kv}};
}  // namespace maru::kernels
