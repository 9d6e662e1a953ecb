// From the file form of a block format to floats and to the packed form and back, generated from
// two things: the packed layout (kernels/block_layout.h) and how the file spells a block (a Spec).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/block_layout.h"
#include "kernels/half.h"
#include "kernels/kernel_api.h"
#include "tensor/format.h"

namespace maru::tensor {

using kernels::BlockLayout;
using kernels::kPanelRows;

// A block of a file spelled out: 32 values, or 256 of a K-quant.
struct BlockFields {
  uint8_t q[256];  // stored values: true value + layout.offset
  uint16_t d, m;   // f16 scale and minimum (K-quants: dmin, which is subtracted)
  int8_t sc[16];   // K-quants: one scale per 32 / halves values
  int8_t mn[16];
};

// Spec: kLayout, kBlockBytes, static void read(const uint8_t* block, BlockFields&).
template <class Spec>
class BlockCodec {
  static constexpr BlockLayout kLayout = Spec::kLayout;
  static constexpr size_t kHalves = static_cast<size_t>(kLayout.halves);
  static constexpr size_t kSubValues = 32 / kHalves;  // values that share a scale

 public:
  static constexpr size_t kValues = kLayout.group_values();

  static void dequantise(const uint8_t* blocks, float* out, size_t n) {
    for (size_t i = 0; i < n; i += kValues, blocks += Spec::kBlockBytes) {
      BlockFields fields;
      Spec::read(blocks, fields);
      to_floats(fields, out + i);
    }
  }

  static size_t panel_bytes(size_t k) {
    return (k / kValues * kLayout.group_bytes() + 63) / 64 * 64;
  }

  static void pack_panel(const uint8_t* const rows[kPanelRows], size_t k, uint8_t* panel) {
    uint8_t* const end = panel + panel_bytes(k);
    BlockFields fields[kPanelRows];
    for (size_t g = 0; g < k / kValues; ++g, panel += kLayout.group_bytes()) {
      for (size_t row = 0; row < kPanelRows; ++row) {
        if (rows[row] == nullptr) {
          fields[row] = {};
        } else {
          Spec::read(rows[row] + g * Spec::kBlockBytes, fields[row]);
        }
      }
      pack_group(fields, panel);
    }
    std::memset(panel, 0, static_cast<size_t>(end - panel));
  }

  static void unpack_row(const uint8_t* panel, size_t row, size_t k, float* out) {
    for (size_t g = 0; g < k / kValues; ++g, panel += kLayout.group_bytes()) {
      BlockFields fields;
      unpack_group(panel, row, fields);
      to_floats(fields, out + g * kValues);
    }
  }

 private:
  // The order of operations is the GGUF reference's, so that results are equal to the bit.
  static void to_floats(const BlockFields& f, float* out) {
    const float d = kernels::f16_to_f32(f.d), m = kernels::f16_to_f32(f.m);
    for (size_t i = 0; i < kValues; ++i) {
      float scale = d, min = m;
      if constexpr (kLayout.is_super) {
        const size_t sub = i / kSubValues;
        scale = d * static_cast<float>(f.sc[sub]);
        if constexpr (kLayout.has_min) min = -(m * static_cast<float>(f.mn[sub]));
      }
      const float value = scale * static_cast<float>(f.q[i] - kLayout.offset);
      out[i] = kLayout.has_min ? value + min : value;
    }
  }

  static uint32_t load_u32(const uint8_t* p) {
    uint32_t x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  static void store_u32(uint8_t* p, uint32_t x) { std::memcpy(p, &x, sizeof x); }

  // Bits of all four bytes at once: a plane keeps `bits` bits of 8 / bits column groups in a byte.
  template <int kBits>
  static constexpr uint32_t kMask = ((1u << kBits) - 1) * 0x01010101u;

  template <int kBits>
  static uint32_t pack_lane(const uint32_t* groups, int vector) {
    uint32_t packed = 0;
    for (int slot = 0; slot < 8 / kBits; ++slot) {
      packed |= (groups[vector + slot * kBits] & kMask<kBits>) << (slot * kBits);
    }
    return packed;
  }

  static void pack_block(const uint8_t* q, size_t row, uint8_t* block) {
    constexpr int kLow = kLayout.low_bits, kHigh = kLayout.high_bits;
    uint32_t groups[8];
    for (size_t i = 0; i < 8; ++i) groups[i] = load_u32(q + i * 4);
    for (int v = 0; v < kLow; ++v) {
      store_u32(block + static_cast<size_t>(v) * 64 + row * 4, pack_lane<kLow>(groups, v));
    }
    if constexpr (kHigh > 0) {
      for (uint32_t& group : groups) group = group >> kLow & kMask<kHigh>;
      for (int v = 0; v < kHigh; ++v) {
        store_u32(block + kLayout.low_bytes() + static_cast<size_t>(v) * 64 + row * 4,
                  pack_lane<kHigh>(groups, v));
      }
    }
  }

  static void unpack_block(const uint8_t* block, size_t row, uint8_t* q) {
    constexpr int kLow = kLayout.low_bits, kHigh = kLayout.high_bits;
    for (int i = 0; i < 8; ++i) {
      uint32_t group =
          load_u32(block + static_cast<size_t>(i % kLow) * 64 + row * 4) >> (i / kLow * kLow) &
          kMask<kLow>;
      if constexpr (kHigh > 0) {
        group |= (load_u32(block + kLayout.low_bytes() + static_cast<size_t>(i % kHigh) * 64 +
                           row * 4) >>
                      (i / kHigh * kHigh) &
                  kMask<kHigh>)
                 << kLow;
      }
      store_u32(q + i * 4, group);
    }
  }

  static void write_sub_scales(const BlockFields& f, size_t b, size_t row, uint8_t* scales) {
    for (size_t h = 0; h < kHalves; ++h) {
      const int sc = f.sc[b * kHalves + h], mn = kLayout.has_min ? f.mn[b * kHalves + h] : 0;
      if constexpr (kLayout.nibble_scales) {
        scales[h * 16 + row] = static_cast<uint8_t>(sc | mn << 4);
      } else {
        scales[h * 16 + row] = static_cast<uint8_t>(sc);
        if constexpr (kLayout.has_min) scales[(kHalves + h) * 16 + row] = static_cast<uint8_t>(mn);
      }
    }
  }

  static void read_sub_scales(const uint8_t* scales, size_t b, size_t row, BlockFields& f) {
    for (size_t h = 0; h < kHalves; ++h) {
      const uint8_t byte = scales[h * 16 + row];
      if constexpr (kLayout.nibble_scales) {
        f.sc[b * kHalves + h] = static_cast<int8_t>(byte & 15);
        f.mn[b * kHalves + h] = static_cast<int8_t>(byte >> 4);
      } else {
        f.sc[b * kHalves + h] = static_cast<int8_t>(byte);
        if constexpr (kLayout.has_min) {
          f.mn[b * kHalves + h] = static_cast<int8_t>(scales[(kHalves + h) * 16 + row]);
        }
      }
    }
  }

  static void pack_group(const BlockFields (&fields)[kPanelRows], uint8_t* group) {
    for (size_t row = 0; row < kPanelRows; ++row) {
      const BlockFields& f = fields[row];
      if constexpr (kLayout.is_super) {
        std::memcpy(group + row * 2, &f.d, 2);
        if constexpr (kLayout.has_min) std::memcpy(group + 32 + row * 2, &f.m, 2);
      }
      for (size_t b = 0; b < kValues / 32; ++b) {
        uint8_t* block = group + kLayout.header_bytes() + b * kLayout.block_bytes();
        pack_block(f.q + b * 32, row, block);
        uint8_t* scales = block + kLayout.quant_bytes();
        if constexpr (kLayout.is_super) {
          write_sub_scales(f, b, row, scales);
        } else {
          std::memcpy(scales + row * 2, &f.d, 2);
          if constexpr (kLayout.has_min) std::memcpy(scales + 32 + row * 2, &f.m, 2);
        }
      }
    }
  }

  static void unpack_group(const uint8_t* group, size_t row, BlockFields& f) {
    f.d = f.m = 0;
    if constexpr (kLayout.is_super) {
      std::memcpy(&f.d, group + row * 2, 2);
      if constexpr (kLayout.has_min) std::memcpy(&f.m, group + 32 + row * 2, 2);
    }
    for (size_t b = 0; b < kValues / 32; ++b) {
      const uint8_t* block = group + kLayout.header_bytes() + b * kLayout.block_bytes();
      unpack_block(block, row, f.q + b * 32);
      const uint8_t* scales = block + kLayout.quant_bytes();
      if constexpr (kLayout.is_super) {
        read_sub_scales(scales, b, row, f);
      } else {
        std::memcpy(&f.d, scales + row * 2, 2);
        if constexpr (kLayout.has_min) std::memcpy(&f.m, scales + 32 + row * 2, 2);
      }
    }
  }
};

template <class Spec>
constexpr BlockFormat make_block_format(const char* name, uint32_t gguf_type,
                                        void (*quantise)(const float*, uint8_t*, size_t)) {
  using Codec = BlockCodec<Spec>;
  return {.name = name,
          .gguf_type = gguf_type,
          .block_values = Codec::kValues,
          .block_bytes = Spec::kBlockBytes,
          .dequantise = Codec::dequantise,
          .quantise = quantise,
          .layout = name,
          .float_input = false,
          .panel_bytes = Codec::panel_bytes,
          .pack_panel = Codec::pack_panel,
          .unpack_row = Codec::unpack_row};
}

}  // namespace maru::tensor
