// Loops that read memory and do next to nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace maru::bench {

// Sums n bytes (a multiple of 512, 64-byte aligned) into *sink; asks for the bytes `ahead` of the
// loads, 0: leaves that to the machine.
using ReadFn = void (*)(const uint8_t* data, size_t n, size_t ahead, uint64_t* sink);

void read_avx512(const uint8_t* data, size_t n, size_t ahead, uint64_t* sink);
void read_avx2(const uint8_t* data, size_t n, size_t ahead, uint64_t* sink);
void read_plain(const uint8_t* data, size_t n, size_t ahead, uint64_t* sink);

}  // namespace maru::bench
