// Encoders (the BERT family): whole texts at once, every token seeing all others, one vector or one
// score for each text. There is no KV cache that stays, no logits and nothing to sample, so they
// share the kernels with the decoders of models/model.h and not the graph.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/kernel_api.h"

namespace maru::models {

enum class Pooling : uint8_t { kMean, kFirstToken };

struct EncoderInfo {
  std::string name, architecture;
  uint32_t n_layers = 0, n_heads = 0, dim = 0, n_ffn = 0;
  uint32_t n_vocab = 0, n_types = 0;
  uint32_t max_tokens = 0;  // of one text, control tokens included
  Pooling pooling = Pooling::kMean;
  bool normalises = false;  // vectors have length 1
  uint32_t n_labels = 0;    // 0: gives vectors; else logits of a classification of texts or pairs
  uint64_t n_parameters = 0;
  std::vector<std::pair<std::string, uint64_t>> format_bytes;  // block format -> bytes in the file
  uint64_t memory_bytes = 0;  // weights and work, without the vocabulary that stays in the file
  uint32_t n_out() const { return n_labels > 0 ? n_labels : dim; }
};

struct EncoderText {
  std::span<const int32_t> tokens;
  std::span<const uint8_t> types;  // one for each token
};

// Immutable and thread-safe; one Workspace per running call.
class Encoder {
 public:
  // What one call of run() may have.
  static constexpr size_t kMaxTexts = 64;
  size_t max_rows() const;  // tokens of all texts; at least max_tokens

  class Workspace;
  struct Impl;

  // `folder` holds config.json and safetensors, and perhaps modules.json of sentence-transformers.
  // Errors: kNotFound, kCorrupt, kInvalidArgument (another family, or a feature that changes
  // results and is not computed), naming the tensor or the key.
  static Result<std::unique_ptr<Encoder>> load(const std::string& folder, kernels::Isa isa,
                                               ThreadPool& pool);
  // What load() would give, without reading the weights. Errors: those of load().
  static Result<EncoderInfo> read_info(const std::string& folder);
  ~Encoder();

  const EncoderInfo& info() const;
  std::unique_ptr<Workspace, void (*)(Workspace*)> make_workspace(size_t n_threads) const;

  // Errors: kInvalidArgument (no token, or one that is not in the vocabulary), kTooLarge (with the
  // counts).
  Status check(const EncoderText& text) const;

  // out: [texts, n_out()]. Texts must pass check(), at most kMaxTexts and max_rows() tokens in all.
  // The result of a text does not depend, bit for bit, on the texts and threads beside it.
  void run(std::span<const EncoderText> texts, ThreadPool& pool, Workspace& workspace,
           float* out) const;

 private:
  explicit Encoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::models
