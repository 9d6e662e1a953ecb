#include "kernels/store_kv.h"

namespace maru::kernels {
extern const Kernel kernel_store_kv_avx512;
constinit const Kernel kernel_store_kv_avx512 = {
    Op::kStoreKv, Isa::kAvx512, nullptr, {.store_kv = store_kv}};
}  // namespace maru::kernels
