// The 6-bit scales and minima that Q4_K and Q5_K share: 8 of each in 12 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace maru::tensor {

inline void read_k_scales(const uint8_t* s, int8_t* sc, int8_t* mn) {
  for (size_t i = 0; i < 4; ++i) {
    sc[i] = static_cast<int8_t>(s[i] & 63);
    mn[i] = static_cast<int8_t>(s[i + 4] & 63);
    sc[i + 4] = static_cast<int8_t>((s[i + 8] & 15) | (s[i] >> 6) << 4);
    mn[i + 4] = static_cast<int8_t>((s[i + 8] >> 4) | (s[i + 4] >> 6) << 4);
  }
}

}  // namespace maru::tensor
