// Rotary position embedding as data: one frequency for each pair of a head's values, and how long
// contexts stretch them. Sources: Su et al. 2021 (arXiv 2104.09864); linear: kaiokendev 2023;
// YaRN: Peng et al. 2023 (arXiv 2309.00071); llama3: the rule of the Llama 3.1 release.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace maru::nn {

struct RopeSpec {
  size_t n_rot = 0;              // even; values beyond it in a head stay as they are
  bool interleaved = false;      // pairs (2i, 2i+1) if true, (i, i + n_rot/2) if false
  std::vector<double> inv_freq;  // [n_rot / 2] radians per position
  float magnitude = 1.0f;        // on cosines and sines (YaRN's attention factor)

  bool operator==(const RopeSpec&) const = default;
};

// inv_freq[i] = base^(-2i / n_rot). base > 1, n_rot even.
RopeSpec plain_rope(double base, size_t n_rot, bool interleaved);

// All positions divided by `factor`.
void scale_rope_linear(RopeSpec& rope, double factor);

// Each frequency divided by its own factor, [n_rot / 2] of them, all above 0.
void scale_rope_by_factors(RopeSpec& rope, std::span<const float> factors);

// Wave lengths above original_context / low_freq_factor are stretched, those below
// original_context / high_freq_factor kept, and those between blended.
struct Llama3Scaling {
  double factor, low_freq_factor, high_freq_factor, original_context;
};
void scale_rope_llama3(RopeSpec& rope, const Llama3Scaling& scaling);

struct YarnScaling {
  double base, factor, original_context;
  double beta_fast = 32.0, beta_slow = 1.0;
  bool truncate = true;  // the blended range begins and ends at whole dimensions
  float magnitude = 1.0f;
};
void scale_rope_yarn(RopeSpec& rope, const YarnScaling& scaling);

// YaRN's magnitude where a file gives none: 0.1 ln(factor) + 1.
float yarn_magnitude(double factor);

// cos_sin: [n_rot], n_rot / 2 cosines and then as many sines. Angles in double precision.
void fill_rope_row(const RopeSpec& rope, uint32_t position, float* cos_sin);

}  // namespace maru::nn
