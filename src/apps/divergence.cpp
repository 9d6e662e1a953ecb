#include "apps/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "formats/byte_reader.h"

namespace maru::apps {
namespace {

constexpr std::string_view kMagic = "_logits_";
constexpr size_t kHeaderBytes = kMagic.size() + 3 * sizeof(int32_t);
constexpr uint32_t kMinContext = 8;

size_t record_bytes(size_t n_vocab) {
  return 2 * sizeof(float) + (n_vocab + n_vocab % 2) * sizeof(uint16_t);
}

// Sums of one quantity over positions.
struct Sums {
  double sum = 0.0, squares = 0.0;
  uint64_t n = 0;

  void add(double value) {
    sum += value;
    squares += value * value;
    ++n;
  }
  double mean() const { return n == 0 ? 0.0 : sum / static_cast<double>(n); }
  double error_of_mean() const {
    if (n < 2) return 0.0;
    const double variance = squares / static_cast<double>(n) - mean() * mean();
    return std::sqrt(std::max(variance, 0.0) / static_cast<double>(n - 1));
  }
};

}  // namespace

Result<ReferenceRun> ReferenceRun::open(const std::string& path) {
  ReferenceRun run;
  MARU_ASSIGN_OR_RETURN(run.file_, MappedFile::open(path));
  formats::ByteReader reader(run.file_.bytes());
  const auto corrupt = [&](const std::string& what) {
    return Error{ErrorCode::kCorrupt, fmt::format("{}: {}", path, what),
                 "make it with llama-perplexity --kl-divergence-base"};
  };
  MARU_ASSIGN_OR_RETURN(const auto magic, reader.read_bytes(kMagic.size(), "magic"));
  if (!std::equal(kMagic.begin(), kMagic.end(), magic.begin())) {
    return corrupt("is no file of reference probabilities");
  }
  MARU_ASSIGN_OR_RETURN(run.n_context_, reader.read<uint32_t>("n_ctx"));
  MARU_ASSIGN_OR_RETURN(run.n_vocab_, reader.read<uint32_t>("n_vocab"));
  MARU_ASSIGN_OR_RETURN(run.n_chunks_, reader.read<uint32_t>("n_chunk"));
  constexpr uint32_t kMost = 1U << 30;
  if (run.n_context_ < kMinContext || run.n_context_ > kMost || run.n_vocab_ == 0 ||
      run.n_vocab_ > kMost || run.n_chunks_ == 0) {
    return corrupt(fmt::format("{} chunks of {} tokens and {} words make no sense", run.n_chunks_,
                               run.n_context_, run.n_vocab_));
  }
  // Below 2^30 * (2^32 + 2^31): a chunk's bytes do not overflow.
  const uint64_t chunk_bytes = run.n_context_ * sizeof(int32_t) +
                               uint64_t{run.scored_per_chunk()} * record_bytes(run.n_vocab_);
  if (reader.remaining() / chunk_bytes < run.n_chunks_) {
    return corrupt(fmt::format("{} chunks need {} bytes each, {} are there", run.n_chunks_,
                               chunk_bytes, reader.remaining()));
  }
  for (uint32_t chunk = 0; chunk < run.n_chunks_; ++chunk) {
    for (const int32_t token : run.tokens(chunk)) {
      if (token < 0 || static_cast<uint32_t>(token) >= run.n_vocab_) {
        return corrupt(fmt::format("chunk {} holds token {}", chunk, token));
      }
    }
  }
  return run;
}

std::span<const int32_t> ReferenceRun::tokens(uint32_t chunk) const {
  // Mapped files begin on a page, and the header's 20 bytes keep int32 aligned.
  const auto* first = reinterpret_cast<const int32_t*>(file_.bytes().data() + kHeaderBytes);
  return {first + size_t{chunk} * n_context_, n_context_};
}

void ReferenceRun::log_probabilities(uint32_t chunk, uint32_t row, std::span<float> out) const {
  const size_t records = kHeaderBytes + size_t{n_chunks_} * n_context_ * sizeof(int32_t);
  const size_t index = size_t{chunk} * scored_per_chunk() + row;
  const uint8_t* record = file_.bytes().data() + records + index * record_bytes(n_vocab_);
  float scale, lowest;
  std::memcpy(&scale, record, sizeof(scale));
  std::memcpy(&lowest, record + sizeof(scale), sizeof(lowest));
  const auto* steps = reinterpret_cast<const uint16_t*>(record + sizeof(scale) + sizeof(lowest));
  for (size_t i = 0; i < n_vocab_; ++i) out[i] = lowest + scale * static_cast<float>(steps[i]);
}

PositionDivergence compare_position(std::span<const float> reference, std::span<const float> logits,
                                    int32_t next_token) {
  constexpr float kLeastLikely = -16.0f;
  const auto top = std::max_element(logits.begin(), logits.end());
  const float largest = *top;
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - largest));
  const double log_sum = std::log(sum) + largest;
  PositionDivergence out;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (reference[i] <= kLeastLikely) continue;
    const double log_p = reference[i];
    out.kl += std::exp(log_p) * (log_p - (logits[i] - log_sum));
  }
  const auto next = static_cast<size_t>(next_token);
  out.nll = log_sum - logits[next];
  out.reference_nll = -static_cast<double>(reference[next]);
  const auto reference_top = std::max_element(reference.begin(), reference.end());
  out.same_top = reference_top - reference.begin() == top - logits.begin();
  return out;
}

Divergence measure_divergence(SoloModel& model, const ReferenceRun& reference, uint32_t n_chunks,
                              std::optional<int32_t> bos, const StepSize& step,
                              const std::function<void(size_t)>& on_chunk) {
  const size_t n_vocab = reference.n_vocab(), context = reference.context();
  const size_t first_scored = reference.first_scored();
  std::vector<float> logits(step.n_logit_rows * n_vocab);
  std::vector<PositionDivergence> positions(reference.scored_per_chunk());
  Sums kl, nll, reference_nll, difference, same_top;
  for (uint32_t chunk = 0; chunk < n_chunks; ++chunk) {
    const auto source = reference.tokens(chunk);
    std::vector<int32_t> input(source.begin(), source.end());
    if (bos) input.front() = *bos;
    for (size_t at = 0; at < first_scored;) {
      const size_t count = std::min(step.n_tokens, first_scored - at);
      model.run(std::span(input).subspan(at, count), static_cast<uint32_t>(at),
                models::LogitsWanted::kNone, nullptr);
      at += count;
    }
    for (size_t at = first_scored; at + 1 < context;) {
      const size_t count = std::min(step.n_logit_rows, context - 1 - at);
      model.run(std::span(input).subspan(at, count), static_cast<uint32_t>(at),
                models::LogitsWanted::kAll, logits.data());
      model.pool().parallel_for(count, 1, [&](size_t begin, size_t end) {
        std::vector<float> expected(n_vocab);
        for (size_t i = begin; i < end; ++i) {
          const size_t row = at + i - first_scored;
          reference.log_probabilities(chunk, static_cast<uint32_t>(row), expected);
          positions[row] = compare_position(
              expected, std::span(logits).subspan(i * n_vocab, n_vocab), source[at + i + 1]);
        }
      });
      at += count;
    }
    for (const PositionDivergence& p : positions) {
      kl.add(p.kl);
      nll.add(p.nll);
      reference_nll.add(p.reference_nll);
      difference.add(p.nll - p.reference_nll);
      same_top.add(p.same_top ? 1.0 : 0.0);
    }
    on_chunk(chunk + 1);
  }
  return {.n_tokens = kl.n,
          .mean_kl = kl.mean(),
          .kl_error = kl.error_of_mean(),
          .ppl = std::exp(nll.mean()),
          .reference_ppl = std::exp(reference_nll.mean()),
          .log_ppl_ratio = difference.mean(),
          .log_ppl_ratio_error = difference.error_of_mean(),
          .same_top = same_top.mean()};
}

}  // namespace maru::apps
