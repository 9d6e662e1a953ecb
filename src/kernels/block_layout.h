// Packed layouts of quantised weights, described as data (docs/formats/packed-weights.md). Packing
// (src/tensor) and every kernel are generated from these few numbers. Included by ISA objects, so
// only literal types and compile-time functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace maru::kernels {

// A panel holds 16 rows as a run of blocks of 32 columns. Block: low plane, high plane, scales.
// A stored value is low | high << low_bits; the true one is stored - offset.
struct BlockLayout {
  int low_bits;   // 8, 4 or 2
  int high_bits;  // 0, 1 or 2
  int offset;     // of signed types
  int halves;     // scales per 32 values: 1 or 2
  bool has_min;   // value = scale * q + min, else scale * (q - offset)
  // K-quants: 8 blocks share a header of f16 d (and dmin) vectors, and a block's scales are bytes:
  // scale = d * sc, min = -dmin * mn. Otherwise scale and min are f16 vectors in the block.
  bool is_super;
  bool nibble_scales = false;  // a byte holds sc in its low and mn in its high half

  consteval size_t low_bytes() const { return static_cast<size_t>(low_bits) * 64; }
  consteval size_t quant_bytes() const { return static_cast<size_t>(low_bits + high_bits) * 64; }
  consteval size_t scale_vectors() const {
    return static_cast<size_t>(halves) * (has_min && !nibble_scales ? 2 : 1);
  }
  consteval size_t block_bytes() const {
    return quant_bytes() + scale_vectors() * (is_super ? 16 : 32);
  }
  consteval size_t header_bytes() const { return is_super ? (has_min ? 64 : 32) : 0; }
  // Columns that share a header, and their bytes.
  consteval size_t group_values() const { return is_super ? 256 : 32; }
  consteval size_t group_bytes() const {
    return header_bytes() + block_bytes() * (is_super ? 8 : 1);
  }
};

constexpr BlockLayout kLayoutQ4_0{4, 0, 8, 1, false, false};
constexpr BlockLayout kLayoutQ4_1{4, 0, 0, 1, true, false};
constexpr BlockLayout kLayoutQ5_0{4, 1, 16, 1, false, false};
constexpr BlockLayout kLayoutQ5_1{4, 1, 0, 1, true, false};
constexpr BlockLayout kLayoutQ8_0{8, 0, 128, 1, false, false};
constexpr BlockLayout kLayoutQ2K{2, 0, 0, 2, true, true, true};
constexpr BlockLayout kLayoutQ3K{2, 1, 4, 2, false, true};
constexpr BlockLayout kLayoutQ4K{4, 0, 0, 1, true, true};
constexpr BlockLayout kLayoutQ5K{4, 1, 0, 1, true, true};
constexpr BlockLayout kLayoutQ6K{4, 2, 32, 2, false, true};

}  // namespace maru::kernels
