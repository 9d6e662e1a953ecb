#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace maru::nn {

RopeSpec plain_rope(double base, size_t n_rot, bool interleaved) {
  MARU_CHECK(base > 1.0 && n_rot % 2 == 0);
  RopeSpec rope{.n_rot = n_rot, .interleaved = interleaved, .inv_freq = {}};
  for (size_t i = 0; i < n_rot / 2; ++i)
    rope.inv_freq.push_back(
        std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(n_rot)));
  return rope;
}

void scale_rope_linear(RopeSpec& rope, double factor) {
  for (double& f : rope.inv_freq) f /= factor;
}

void scale_rope_by_factors(RopeSpec& rope, std::span<const float> factors) {
  MARU_CHECK(factors.size() == rope.inv_freq.size());
  for (size_t i = 0; i < factors.size(); ++i) rope.inv_freq[i] /= static_cast<double>(factors[i]);
}

void scale_rope_llama3(RopeSpec& rope, const Llama3Scaling& s) {
  const double longest = s.original_context / s.low_freq_factor;
  const double shortest = s.original_context / s.high_freq_factor;
  for (double& f : rope.inv_freq) {
    const double wave = 2.0 * std::numbers::pi / f;
    if (wave > longest) {
      f /= s.factor;
    } else if (wave >= shortest) {
      const double smooth = (s.original_context / wave - s.low_freq_factor) /
                            (s.high_freq_factor - s.low_freq_factor);
      f = (1.0 - smooth) * f / s.factor + smooth * f;
    }
  }
}

void scale_rope_yarn(RopeSpec& rope, const YarnScaling& s) {
  const auto dim = static_cast<double>(rope.n_rot);
  // The dimension whose wave turns `n` times within the original context.
  auto dimension_of_turns = [&](double n) {
    return dim * std::log(s.original_context / (n * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(s.base));
  };
  double low = dimension_of_turns(s.beta_fast);
  double high = dimension_of_turns(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < rope.inv_freq.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    double& f = rope.inv_freq[i];
    f = f / s.factor * ramp + f * (1.0 - ramp);
  }
  rope.magnitude = s.magnitude;
}

float yarn_magnitude(double factor) {
  return factor <= 1.0 ? 1.0f : static_cast<float>(0.1 * std::log(factor) + 1.0);
}

void fill_rope_row(const RopeSpec& rope, uint32_t position, float* cos_sin) {
  const size_t half = rope.inv_freq.size();
  for (size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * rope.inv_freq[i];
    cos_sin[i] = static_cast<float>(std::cos(angle)) * rope.magnitude;
    cos_sin[half + i] = static_cast<float>(std::sin(angle)) * rope.magnitude;
  }
}

}  // namespace maru::nn
