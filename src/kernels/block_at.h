// Where block b of a panel lies. In an unnamed namespace, because ISA objects include it.
#pragma once

#include "kernels/block_layout.h"

namespace maru::kernels {
namespace {

template <BlockLayout L>
struct BlockAt {
  const uint8_t* header;
  const uint8_t* block;

  BlockAt(const uint8_t* panel, size_t b) {
    constexpr size_t kBlocks = L.group_values() / 32;
    header = panel + b / kBlocks * L.group_bytes();
    block = header + L.header_bytes() + b % kBlocks * L.block_bytes();
  }
};

}  // namespace
}  // namespace maru::kernels
