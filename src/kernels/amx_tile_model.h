// HardwareTiles (amx_tile.h) as plain code after the operation sections of the Intel SDM: what the
// instructions do to registers and memory, and the conditions under which they fault. For tests.
#pragma once

#include <cstring>

#include "base/check.h"
#include "kernels/amx_tile.h"

namespace maru::kernels {
namespace {

class ModelTiles {
 public:
  void configure(const TileConfig& config) {
    MARU_CHECK(config.palette == 1 && config.start_row == 0);
    for (uint8_t byte : config.reserved) MARU_CHECK(byte == 0);
    for (int i = 0; i < 16; ++i) {
      MARU_CHECK(config.rows[i] <= (i < 8 ? 16 : 0) && config.row_bytes[i] <= (i < 8 ? 64 : 0));
      MARU_CHECK((config.rows[i] == 0) == (config.row_bytes[i] == 0));
    }
    config_ = config;
    configured_ = true;
    std::memset(tiles_, 0, sizeof tiles_);
  }
  void release() {
    configured_ = false;
    std::memset(tiles_, 0xa5, sizeof tiles_);  // nobody may count on what was there
  }

  template <int kTile>
  void zero() {
    used(kTile);
    std::memset(tiles_[kTile], 0, sizeof tiles_[kTile]);
  }
  // Bytes and rows outside the configured shape become zero.
  template <int kTile>
  void load(const void* from, size_t stride) {
    zero<kTile>();
    for (size_t row = 0; row < config_.rows[kTile]; ++row) {
      std::memcpy(tiles_[kTile][row], static_cast<const char*>(from) + row * stride,
                  config_.row_bytes[kTile]);
    }
  }
  template <int kTile>
  void store(void* to, size_t stride) {
    used(kTile);
    for (size_t row = 0; row < config_.rows[kTile]; ++row) {
      std::memcpy(static_cast<char*>(to) + row * stride, tiles_[kTile][row],
                  config_.row_bytes[kTile]);
    }
  }
  template <int kSums, int kRows, int kColumns>
  void dot() {
    used(kSums), used(kRows), used(kColumns);
    MARU_CHECK(kSums != kRows && kSums != kColumns && kRows != kColumns);
    MARU_CHECK(config_.rows[kSums] == config_.rows[kRows]);
    MARU_CHECK(config_.row_bytes[kSums] == config_.row_bytes[kColumns]);
    MARU_CHECK(config_.row_bytes[kRows] == 4 * config_.rows[kColumns]);
    for (size_t m = 0; m < config_.rows[kSums]; ++m) {
      int32_t sums[16];
      std::memcpy(sums, tiles_[kSums][m], sizeof sums);
      for (size_t k = 0; k < config_.rows[kColumns]; ++k) {
        for (size_t n = 0; n < config_.row_bytes[kSums] / 4u; ++n) {
          for (size_t j = 0; j < 4; ++j) {
            sums[n] += tiles_[kRows][m][4 * k + j] * tiles_[kColumns][k][4 * n + j];
          }
        }
      }
      std::memcpy(tiles_[kSums][m], sums, sizeof sums);
    }
  }

 private:
  void used(int tile) const { MARU_CHECK(configured_ && config_.rows[tile] != 0); }

  TileConfig config_;
  bool configured_ = false;
  int8_t tiles_[8][16][64];
};

}  // namespace
}  // namespace maru::kernels
