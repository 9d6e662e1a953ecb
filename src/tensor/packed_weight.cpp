#include "tensor/packed_weight.h"

#include <new>

#include "base/check.h"

namespace maru::tensor {

using kernels::kPanelRows;

namespace {
constexpr std::align_val_t kAlignment{64};
}

void PackedWeight::AlignedFree::operator()(uint8_t* p) const { ::operator delete[](p, kAlignment); }

size_t PackedWeight::packed_bytes(const BlockFormat& format, size_t n_out, size_t k) {
  return (n_out + kPanelRows - 1) / kPanelRows * format.panel_bytes(k);
}

PackedWeight PackedWeight::without_data(const BlockFormat& format, size_t n_out, size_t k) {
  MARU_CHECK(n_out > 0 && k > 0);
  PackedWeight w;
  w.format_ = &format;
  w.n_out_ = n_out;
  w.k_ = k;
  w.panel_bytes_ = format.panel_bytes(k);
  return w;
}

PackedWeight PackedWeight::view(const BlockFormat& format, size_t n_out, size_t k,
                                const uint8_t* panels) {
  PackedWeight w = without_data(format, n_out, k);
  w.panels_ = panels;
  return w;
}

PackedWeight PackedWeight::pack(const BlockFormat& format, const uint8_t* rows, size_t n_out,
                                size_t k, ThreadPool& pool) {
  PackedWeight w = without_data(format, n_out, k);
  w.owned_.reset(new (kAlignment) uint8_t[w.bytes()]);
  w.panels_ = w.owned_.get();
  const size_t row_bytes = format_bytes(format, k);
  pool.parallel_for(w.n_panels(), 8, [&](size_t begin, size_t end) {
    for (size_t panel = begin; panel < end; ++panel) {
      const uint8_t* sources[kPanelRows];
      for (size_t i = 0; i < kPanelRows; ++i) {
        const size_t row = panel * kPanelRows + i;
        sources[i] = row < n_out ? rows + row * row_bytes : nullptr;
      }
      format.pack_panel(sources, k, w.owned_.get() + panel * w.panel_bytes_);
    }
  });
  return w;
}

void PackedWeight::read_row(size_t row, float* out) const {
  MARU_CHECK(row < n_out_);
  format_->unpack_row(panels_ + row / kPanelRows * panel_bytes_, row % kPanelRows, k_, out);
}

void linear(const kernels::KernelSet& kernels, const PackedWeight& weight, const LinearCall& call) {
  MARU_DCHECK(call.panel_end <= weight.n_panels());
  const kernels::LinearArgs args{.weight = weight.panels(),
                                 .panel_bytes = weight.panel_bytes(),
                                 .x = call.x,
                                 .ld_x = call.ld_x,
                                 .n_rows = call.n_rows,
                                 .k = weight.k(),
                                 .n_out = weight.n_out(),
                                 .panel_begin = call.panel_begin,
                                 .panel_end = call.panel_end,
                                 .out = call.out,
                                 .ld_out = call.ld_out,
                                 .row_base = call.row_base,
                                 .accumulate = call.accumulate};
  kernels.linear(weight.format().layout)(args);
}

}  // namespace maru::tensor
