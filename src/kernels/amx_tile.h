// The tile registers of Intel AMX, as far as the products use them (Intel SDM volume 1, chapter 18,
// and the instructions' pages in volume 2). Kernels are written over a class with the members of
// HardwareTiles; amx_tile_model.h has the same as plain code, for tests on CPUs without tiles.
//
// Inline assembly, because GCC 12's macros paste the register's number as text, so that templates
// can't pass it, and because GCC 12 drops stores to a configuration that its _tile_loadconfig
// reads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace maru::kernels {
namespace {

// The 64 bytes that LDTILECFG reads, palette 1.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};  // at most 64
  uint8_t rows[16] = {};        // at most 16

  constexpr void set(int tile, int n_rows, int n_row_bytes) {
    rows[tile] = static_cast<uint8_t>(n_rows);
    row_bytes[tile] = static_cast<uint16_t>(n_row_bytes);
  }
};
static_assert(sizeof(TileConfig) == 64);

// Stateless: the registers belong to the thread, which must have been permitted to use them.
class HardwareTiles {
 public:
  // Sets the shapes and zeroes all tiles.
  void configure(const TileConfig& config) {
    __asm__ volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }
  // Back to the initial state, so that the system need not save tiles of an idle thread.
  void release() { __asm__ volatile("tilerelease" : : : "memory"); }

  template <int kTile>
  void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  // Rows from memory, `stride` bytes apart.
  template <int kTile>
  void load(const void* from, size_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2"
                     :
                     : "r"(from), "r"(stride), "i"(kTile)
                     : "memory");
  }
  template <int kTile>
  void store(void* to, size_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)"
                     :
                     : "r"(to), "r"(stride), "i"(kTile)
                     : "memory");
  }
  // sums[m][n] += rows[m][4k + j] * columns[k][4n + j] over k and j = 0..3; signed bytes, int32.
  template <int kSums, int kRows, int kColumns>
  void dot() {
    __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0"
                     :
                     : "i"(kSums), "i"(kRows), "i"(kColumns));
  }
};

}  // namespace
}  // namespace maru::kernels
