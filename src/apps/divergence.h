// How far a model's predictions are from a reference run of another form of it (F32, say), on the
// same tokens. The reference is a file of llama.cpp's perplexity tool (--kl-divergence-base), so
// that both programs are held against the very same probabilities.
//
// The file: "_logits_", n_ctx, n_vocab and n_chunk (int32 each), the tokens of all chunks (int32),
// then for every scored position (n_ctx / 2 to n_ctx - 2 of each chunk) a record: scale and lowest
// log-probability (float each), n_vocab steps (uint16), rounded up to an even number; a word's
// log-probability is lowest + scale * step.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "apps/load.h"
#include "base/mapped_file.h"
#include "base/result.h"

namespace maru::apps {

// Reads of a mapped file; thread-safe. Views are valid for its life.
class ReferenceRun {
 public:
  // Errors: those of MappedFile::open, kCorrupt (not such a file, cut short), kInvalidArgument (a
  // chunk of fewer than 8 tokens or a token outside the vocabulary).
  static Result<ReferenceRun> open(const std::string& path);

  uint32_t context() const { return n_context_; }
  uint32_t n_vocab() const { return n_vocab_; }
  uint32_t n_chunks() const { return n_chunks_; }
  uint32_t first_scored() const { return n_context_ / 2; }
  uint32_t scored_per_chunk() const { return n_context_ - 1 - first_scored(); }
  // [context()], as the reference was given them: bos not yet put in.
  std::span<const int32_t> tokens(uint32_t chunk) const;
  // The log-probabilities of one scored position, [n_vocab()]; `row` counts from first_scored().
  void log_probabilities(uint32_t chunk, uint32_t row, std::span<float> out) const;

 private:
  MappedFile file_;
  uint32_t n_context_ = 0, n_vocab_ = 0, n_chunks_ = 0;
};

// What one position says; nats.
struct PositionDivergence {
  double kl = 0.0;             // of the model from the reference: sum p_ref (log p_ref - log p)
  double nll = 0.0;            // of the token that follows, by the model
  double reference_nll = 0.0;  // and by the reference
  bool same_top = false;       // both have the same most likely word
};

// `reference` holds log-probabilities; words below e^-16 there are left out of the sum.
PositionDivergence compare_position(std::span<const float> reference, std::span<const float> logits,
                                    int32_t next_token);

struct Divergence {
  uint64_t n_tokens = 0;
  double mean_kl = 0.0, kl_error = 0.0;  // the standard error of the mean
  double ppl = 0.0, reference_ppl = 0.0;
  double log_ppl_ratio = 0.0, log_ppl_ratio_error = 0.0;  // log(ppl / reference_ppl)
  double same_top = 0.0;                                  // share of positions
};

// Chunks [0, n_chunks) of the reference; the model has its vocabulary and room for context()
// tokens. `bos` replaces each chunk's first token. `on_chunk` gets how many chunks are done.
Divergence measure_divergence(SoloModel& model, const ReferenceRun& reference, uint32_t n_chunks,
                              std::optional<int32_t> bos, const StepSize& step,
                              const std::function<void(size_t n_chunks)>& on_chunk);

}  // namespace maru::apps
