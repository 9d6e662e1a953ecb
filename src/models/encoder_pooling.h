// From the rows that an encoder gives to what is asked for.
#pragma once

#include <span>

#include "models/encoder_weights.h"

namespace maru::models {

// rows: [tokens, dim] of one text; out: [dim].
void pool_rows(const EncoderInfo& info, std::span<const float> rows, float* out);

// first: [dim], the text's first row; out: [n_labels] logits.
void classify(const EncoderWeights& weights, std::span<const float> first, float* out);

}  // namespace maru::models
