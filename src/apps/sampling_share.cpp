#include "apps/sampling_share.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string_view>

#include "engine/sampler.h"
#include "kernels/dispatch.h"

namespace maru::apps {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Seconds {
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  double taken() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
};

}  // namespace

Result<engine::SamplingParams> parse_sampling(const std::string& text, uint32_t vocab_size) {
  engine::SamplingParams params;
  float top_k = 0.0f;
  const std::pair<std::string_view, float*> numbers[] = {
      {"temperature", &params.temperature},
      {"top_k", &top_k},
      {"top_p", &params.top_p},
      {"min_p", &params.min_p},
      {"typical_p", &params.typical_p},
      {"presence_penalty", &params.presence_penalty},
      {"frequency_penalty", &params.frequency_penalty},
      {"repetition_penalty", &params.repetition_penalty}};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const size_t equals = part.find('=');
    const auto known = std::find_if(std::begin(numbers), std::end(numbers), [&](const auto& n) {
      return n.first == part.substr(0, equals);
    });
    float value = 0.0f;
    const char* end = part.data() + part.size();
    const char* begin = equals == std::string_view::npos ? end : part.data() + equals + 1;
    const auto [stop, code] = std::from_chars(begin, end, value);
    if (known == std::end(numbers) || code != std::errc{} || stop != end) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("--sample: '{}'", part),
                   "write name=number with the names of the API: temperature=0.7,top_k=64"};
    }
    *known->second = value;
  }
  params.top_k = static_cast<int32_t>(std::clamp(top_k, -1.0f, 1e9f));
  MARU_RETURN_IF_ERROR(engine::check_sampling(params, vocab_size));
  return params;
}

Result<SamplingShare> measure_sampling(SoloModel& model, const engine::SamplingParams& params,
                                       uint32_t n_tokens) {
  const uint32_t vocab_size = model.info().vocab_size;
  std::vector<float> logits(vocab_size);
  std::vector<kernels::LogitBlock> blocks(kernels::logit_blocks(vocab_size));
  engine::Sampler sampler(params, {});
  int32_t token = 1;
  Result<int32_t> drawn = token;
  const auto run_plain = [&](uint32_t at) {
    const Seconds seconds;
    model.run({&token, 1}, at, models::LogitsWanted::kLast, logits.data());
    return seconds.taken();
  };
  const auto run_sampled = [&](uint32_t at) {
    const Seconds seconds;
    const float scale = sampler.sum_scale();
    model.run({&token, 1}, at, models::LogitsWanted::kLast, logits.data(), blocks.data(), scale);
    drawn = sampler.sample({logits, blocks, scale}, at + 1);
    return seconds.taken();
  };
  std::vector<double> plain, added;
  for (uint32_t at = 0; at < n_tokens; ++at) {
    double with = 0.0, without = 0.0;
    if (at % 2 == 0) {
      without = run_plain(at);
      with = run_sampled(at);
    } else {
      with = run_sampled(at);
      without = run_plain(at);
    }
    if (!drawn) return std::move(drawn).error();
    token = *drawn;
    if (at < n_tokens / 8) continue;  // to warm up
    plain.push_back(without);
    added.push_back(with - without);
  }
  SamplingShare result{median(plain) * 1e3, median(added) * 1e3, 0.0};
  result.share = result.sampling_ms / (result.step_ms + result.sampling_ms);
  return result;
}

}  // namespace maru::apps
