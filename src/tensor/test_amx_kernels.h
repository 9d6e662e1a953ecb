// The AMX products with the tiles as plain code (kernels/amx_tile_model.h): what runs on a CPU
// without tiles. They need AVX-512.
#pragma once

#include <span>

#include "kernels/kernel_api.h"

namespace maru::kernels {

std::span<const Kernel> amx_model_kernels();

}  // namespace maru::kernels
