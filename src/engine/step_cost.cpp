#include "engine/step_cost.h"

#include <algorithm>
#include <bit>

namespace maru::engine {
namespace {

constexpr double kWeightOfNew = 0.2;
constexpr double kLeastRowUs = 0.01;
constexpr double kMostRows = 1e6;

constexpr size_t kExactRows = 16;
size_t bucket_of(size_t n_rows) {
  if (n_rows <= kExactRows) return n_rows;
  return std::min<size_t>(kExactRows - 4 + static_cast<size_t>(std::bit_width(n_rows - 1)), 31);
}

}  // namespace

void StepCost::Average::add(double sample) {
  value = is_known ? value + kWeightOfNew * (sample - value) : sample;
  is_known = true;
}

void StepCost::record(size_t n_decode_rows, size_t n_prompt_rows, Duration taken) {
  const auto us = static_cast<double>(taken.count());
  if (n_prompt_rows > 0) {
    const double rest = us - decode_us(n_decode_rows);
    prompt_row_.add(std::max(rest / static_cast<double>(n_prompt_rows), kLeastRowUs));
  } else if (n_decode_rows > 0) {
    decode_[bucket_of(n_decode_rows)].add(us);
  }
}

uint32_t StepCost::prompt_rows(size_t n_decode_rows, Duration budget, uint32_t multiple) const {
  if (!prompt_row_.is_known) return multiple;
  const double rest = static_cast<double>(budget.count()) - decode_us(n_decode_rows);
  const double rows = std::clamp(rest / prompt_row_.value, 0.0, kMostRows);
  return std::max(static_cast<uint32_t>(rows) / multiple * multiple, multiple);
}

double StepCost::decode_us(size_t n_rows) const {
  if (n_rows == 0) return 0.0;
  const size_t bucket = bucket_of(n_rows);
  for (size_t i = bucket; i > 0; --i) {
    if (decode_[i].is_known) return decode_[i].value;
  }
  for (size_t i = bucket + 1; i < decode_.size(); ++i) {
    if (decode_[i].is_known) return decode_[i].value;
  }
  return 0.0;
}

}  // namespace maru::engine
