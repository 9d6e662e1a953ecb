// A fast checksum against accidents (torn writes, flipped bits), not against forgery.
#pragma once

#include <cstdint>
#include <span>

namespace maru {

// XXH64 with seed 0 (xxHash specification, version 0.2).
uint64_t checksum64(std::span<const uint8_t> bytes);

}  // namespace maru
