#include "kernels/store_kv.h"

namespace maru::kernels {
extern const Kernel kernel_store_kv_avx2;
constinit const Kernel kernel_store_kv_avx2 = {
    Op::kStoreKv, Isa::kAvx2, nullptr, {.store_kv = store_kv}};
}  // namespace maru::kernels
