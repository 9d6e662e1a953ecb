// Vectors and scores of texts by encoders (models/encoder.h), beside the engine that generates: a
// thread of its own takes texts of all waiting requests in turn into steps, and answers each
// request when its last text is done. Knows no wire format and no socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "models/encoder.h"
#include "service/model_store.h"
#include "text/wordpiece.h"

namespace maru::service {

// Immutable; thread-safe.
struct ServedEncoder {
  std::string name;  // as clients call it
  std::string path;  // its folder
  std::shared_ptr<const models::Encoder> encoder;
  std::shared_ptr<const text::WordPieceTokenizer> tokenizer;
  uint64_t file_bytes = 0;           // on disk
  int64_t created_unix_seconds = 0;  // when its files were last written

  bool is_reranker() const { return encoder->info().n_labels > 0; }
};

// Holds the memory against this machine's limits, then loads. Errors: those of models::Encoder and
// text::WordPieceTokenizer, kTooLarge (memory, with the counts), kCorrupt (a tokenizer with more
// tokens than the model).
Result<ServedEncoder> load_encoder(const ModelLocation& location, kernels::Isa isa,
                                   ThreadPool& pool);

// A text, or the tokens that it is made of; the template's control tokens come around both.
using EncoderPrompt = std::variant<std::string, std::vector<text::TokenId>>;

struct EncodeOptions {
  bool truncates = false;  // too long texts lose their end instead of being refused
  std::optional<uint32_t> max_tokens = {};  // of one text, less than the model reads
};

// Texts that only have to be computed.
struct PreparedTexts {
  std::shared_ptr<const ServedEncoder> model;
  std::vector<text::EncoderInput> inputs;
  uint64_t n_tokens = 0;
};

// Tokenises. Errors name the text: kInvalidArgument (a token that is none), kTooLarge (with the
// counts), with `param` "input[3]".
Result<PreparedTexts> prepare_texts(std::shared_ptr<const ServedEncoder> model,
                                    const std::vector<EncoderPrompt>& texts,
                                    const EncodeOptions& options);
// Each document with the query before it. A document that is too long loses its end if `truncates`;
// the query never does.
Result<PreparedTexts> prepare_pairs(std::shared_ptr<const ServedEncoder> model,
                                    const std::string& query,
                                    const std::vector<std::string>& documents,
                                    const EncodeOptions& options);

// [inputs][n_out()]: vectors, or logits of a reranker.
using EncodedRows = std::vector<std::vector<float>>;
// Called once, on the service's thread: with the rows, or with what went wrong.
using EncodeHandler = std::function<void(Result<EncodedRows>)>;

struct EmbeddingOptions {
  size_t n_threads = 1;
  size_t max_waiting = 64;  // requests; further ones are refused
};

// Thread-safe.
class EmbeddingService {
 public:
  EmbeddingService(std::vector<ServedEncoder> models, EmbeddingOptions options);
  ~EmbeddingService();  // what still waits fails with kUnavailable

  const std::vector<std::shared_ptr<const ServedEncoder>>& models() const;
  uint64_t memory_bytes() const;  // of all of them, for as long as the service is there
  // Of that name, or of no name if there is but one of the kind; null if unknown.
  std::shared_ptr<const ServedEncoder> find(const std::string& name, bool is_reranker) const;

  // Errors: kRateLimited (the queue is full), kUnavailable (stopping).
  Result<uint64_t> submit(PreparedTexts texts, EncodeHandler handler);
  // The handler is not called any more, unless it is being called right now.
  void cancel(uint64_t id);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Relevance between 0 and 1 of a reranker's logit.
float relevance_of(float logit);
// The first n values, again of length 1 (Matryoshka representations).
void shorten(std::vector<float>& vector, size_t n);

}  // namespace maru::service
