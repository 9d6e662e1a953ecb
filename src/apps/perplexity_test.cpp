#include "apps/perplexity.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace maru::apps {
namespace {

TEST(NegativeLogLikelihood, IsTheSoftmaxsLogarithm) {
  const std::array<float, 3> logits = {1.0f, 2.0f, 3.0f};
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  for (int32_t token = 0; token < 3; ++token) {
    EXPECT_NEAR(negative_log_likelihood(logits, token), std::log(sum) - (token + 1.0), 1e-12);
  }
  EXPECT_NEAR(negative_log_likelihood(std::array<float, 4>{5, 5, 5, 5}, 2), std::log(4.0), 1e-12);
  // Large logits must not overflow.
  EXPECT_NEAR(negative_log_likelihood(std::array<float, 2>{1e4f, 1e4f - 2.0f}, 1),
              2.0 + std::log1p(std::exp(-2.0)), 1e-9);
}

}  // namespace
}  // namespace maru::apps
