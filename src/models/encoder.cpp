// Runs an encoder. The rows of all texts lie one behind the other, without padding; a work item is
// a run of rows, whatever texts they belong to, which one thread takes through attention and feed
// forward of a layer and to the next layer's keys and values. So a layer is one barrier. Keys and
// values of even and odd layers lie in pages of their own, since other items still read the
// layer's before. Source: arXiv 1810.04805.
#include "models/encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "kernels/dispatch.h"
#include "models/encoder_pooling.h"
#include "models/encoder_weights.h"
#include "tensor/format.h"

namespace maru::models {
namespace {

constexpr size_t kPageTokens = kernels::kKeyTile;
// Rows of a work item: few enough that the feed-forward part stays in the second cache, enough to
// read the weights seldom. A multiple of the rows of a register tile.
constexpr size_t kItemRows = 48;
constexpr size_t kTileRows = 12;
constexpr size_t kStepRows = 1024;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

struct AlignedFree {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Buffer = std::unique_ptr<T[], AlignedFree>;

// Zeroed: attention loads whole groups of keys, also where no text ends.
template <class T>
Buffer<T> make_buffer(size_t n) {
  const size_t bytes = round_up(std::max<size_t>(n, 1) * sizeof(T), 64);
  auto* memory = static_cast<T*>(std::aligned_alloc(64, bytes));
  MARU_CHECK(memory != nullptr);
  std::memset(static_cast<void*>(memory), 0, bytes);
  return Buffer<T>(memory);
}

// Rows of one text inside a work item.
struct Piece {
  size_t text, first_token, n_rows;
  size_t row;  // in the batch
};

// What one thread needs for one work item.
struct ThreadScratch {
  Buffer<int16_t> quantised;  // [kItemRows, widest ld]
  Buffer<float> steps;        // [kItemRows]
  Buffer<float> narrow;       // [kItemRows, dim]
  Buffer<float> wide;         // [kItemRows, n_ffn]
  Buffer<float> attention;
};

}  // namespace

class Encoder::Workspace {
 public:
  Buffer<float> hidden;  // [rows, dim]
  Buffer<float> qkv;     // [rows, 3 * dim]
  Buffer<uint8_t> pages[2];
  std::vector<uint8_t*> page_list[2];
  std::vector<ThreadScratch> threads;
  std::vector<size_t> first_row, first_page;  // by text
};

struct Encoder::Impl {
  ModelSource source;  // of the vocabulary's rows
  EncoderConfig config;
  EncoderWeights weights;
  kernels::KernelSet kernels;
  const tensor::BlockFormat* words_format = nullptr;

  size_t head_dim() const { return config.info.dim / config.info.n_heads; }
  size_t half_page() const {
    return config.info.n_heads * kernels::kv_row_bytes(kernels::KvType::kF16, head_dim()) *
           kPageTokens;
  }
  size_t max_rows() const { return std::max<size_t>(kStepRows, config.info.max_tokens); }
};

// One running batch.
class EncoderRun {
 public:
  EncoderRun(const Encoder::Impl& model, std::span<const EncoderText> texts,
             Encoder::Workspace& workspace)
      : m_(model), info_(model.config.info), texts_(texts), w_(workspace) {
    w_.first_row.clear();
    w_.first_page.clear();
    size_t n_pages = 0;
    for (const EncoderText& text : texts) {
      w_.first_row.push_back(n_rows_);
      w_.first_page.push_back(n_pages);
      n_rows_ += text.tokens.size();
      n_pages += (text.tokens.size() + kPageTokens - 1) / kPageTokens;
    }
  }

  void run(ThreadPool& pool, float* out) {
    // Items of equal length, as many for each thread.
    size_t n_items = (n_rows_ + kItemRows - 1) / kItemRows;
    n_items = round_up(n_items, std::min(pool.size(), (n_rows_ + kTileRows - 1) / kTileRows));
    const size_t item = round_up((n_rows_ + n_items - 1) / n_items, kTileRows / 3);
    MARU_CHECK(item <= kItemRows);
    for (size_t layer = 0; layer <= info_.n_layers; ++layer) {
      pool.share(n_rows_, item, [&](size_t thread, size_t begin, size_t end) {
        // A pool of one thread gives all rows at once.
        for (size_t at = begin; at < end; at += item) {
          run_item(layer, at, std::min(at + item, end), w_.threads[thread]);
        }
      });
    }
    pool.parallel_for(texts_.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) finish(i, out + i * info_.n_out());
    });
  }

 private:
  // What comes before layer 0 or ends layer - 1 of these rows, then the next one's keys and values.
  void run_item(size_t layer, size_t begin, size_t end, ThreadScratch& scratch) {
    if (layer == 0) {
      embed(begin, end);
    } else {
      attend(layer - 1, begin, end, scratch);
      feed_forward(m_.weights.layers[layer - 1], begin, end, scratch);
    }
    if (layer < info_.n_layers) project(layer, begin, end, scratch);
  }

  template <class Body>
  void for_pieces(size_t begin, size_t end, const Body& body) const {
    auto text =
        static_cast<size_t>(std::upper_bound(w_.first_row.begin(), w_.first_row.end(), begin) -
                            w_.first_row.begin() - 1);
    for (size_t row = begin; row < end; ++text) {
      const size_t to = std::min(end, w_.first_row[text] + texts_[text].tokens.size());
      if (to > row) body(Piece{text, row - w_.first_row[text], to - row, row});
      row = std::max(row, to);
    }
  }

  void embed(size_t begin, size_t end) {
    const size_t dim = info_.dim;
    for_pieces(begin, end, [&](const Piece& piece) {
      for (size_t i = 0; i < piece.n_rows; ++i) {
        const size_t at = piece.first_token + i;
        float* x = w_.hidden.get() + (piece.row + i) * dim;
        const auto token = static_cast<size_t>(texts_[piece.text].tokens[at]);
        m_.words_format->dequantise(
            m_.weights.words->data.data() + token * dim * m_.words_format->block_bytes, x, dim);
        const float* type = m_.weights.types.data() + texts_[piece.text].types[at] * dim;
        const float* position = m_.weights.positions.data() + at * dim;
        for (size_t j = 0; j < dim; ++j) x[j] = x[j] + type[j] + position[j];
      }
    });
    float* x = w_.hidden.get() + begin * dim;
    normalise(m_.weights.embedding_norm, x, nullptr, end - begin, x);
  }

  void normalise(const NormWeights& norm, const float* x, const float* residual, size_t n_rows,
                 float* out) const {
    m_.kernels.layer_norm({x, residual, info_.dim, norm.weight.data(), norm.bias.data(),
                           m_.config.norm_eps, info_.dim, 0, n_rows, out});
  }

  // out [n_rows, ld_out] = x [n_rows, weight.k] W^T + bias
  void multiply(const Linear16& weight, const float* x, size_t n_rows, float* out, size_t ld_out,
                const ThreadScratch& scratch) const {
    m_.kernels.quantise16({x, weight.k, weight.k, 0, n_rows, scratch.quantised.get(), weight.ld,
                           scratch.steps.get()});
    m_.kernels.linear16({weight.panels.get(), weight.steps.data(), weight.bias.data(),
                         scratch.quantised.get(), scratch.steps.get(), weight.ld, 0, n_rows, 0,
                         weight.n_panels(), out, ld_out});
  }

  kernels::KvView view(size_t layer, size_t text) const {
    return {w_.page_list[layer % 2].data() + w_.first_page[text],
            0,
            m_.half_page(),
            kPageTokens,
            info_.n_heads,
            m_.head_dim(),
            kernels::KvType::kF16};
  }

  // Queries stay in `qkv`, keys and values go to the pages.
  void project(size_t layer, size_t begin, size_t end, const ThreadScratch& scratch) {
    const size_t dim = info_.dim, ld = 3 * dim;
    multiply(m_.weights.layers[layer].qkv, w_.hidden.get() + begin * dim, end - begin,
             w_.qkv.get() + begin * ld, ld, scratch);
    for_pieces(begin, end, [&](const Piece& piece) {
      const float* row = w_.qkv.get() + piece.row * ld;
      m_.kernels.store_kv({view(layer, piece.text), row + dim, row + 2 * dim, ld, piece.first_token,
                           0, piece.n_rows});
    });
  }

  void attend(size_t layer, size_t begin, size_t end, const ThreadScratch& scratch) {
    const size_t dim = info_.dim, ld = 3 * dim;
    for_pieces(begin, end, [&](const Piece& piece) {
      kernels::AttentionArgs a{};
      a.kv = view(layer, piece.text);
      a.q = w_.qkv.get() + piece.row * ld;
      a.ld_q = ld;
      a.n_heads = info_.n_heads;
      a.scale = 1.0f / std::sqrt(static_cast<float>(m_.head_dim()));
      a.token_end = piece.n_rows;
      a.kv_head_end = info_.n_heads;
      a.n_keys = texts_[piece.text].tokens.size();
      a.out = scratch.narrow.get() + (piece.row - begin) * dim;
      a.ld_out = dim;
      a.scratch = scratch.attention.get();
      m_.kernels.attention(a);
    });
    const EncoderLayer& weights = m_.weights.layers[layer];
    float* hidden = w_.hidden.get() + begin * dim;
    // The product is read before it is written over: it has its integers by then.
    multiply(weights.attention_out, scratch.narrow.get(), end - begin, scratch.narrow.get(), dim,
             scratch);
    normalise(weights.attention_norm, scratch.narrow.get(), hidden, end - begin, hidden);
  }

  void feed_forward(const EncoderLayer& weights, size_t begin, size_t end,
                    const ThreadScratch& scratch) {
    const size_t dim = info_.dim, n_ffn = info_.n_ffn, n_rows = end - begin;
    float* hidden = w_.hidden.get() + begin * dim;
    multiply(weights.up, hidden, n_rows, scratch.wide.get(), n_ffn, scratch);
    m_.kernels.gelu({scratch.wide.get(), n_rows * n_ffn});
    multiply(weights.down, scratch.wide.get(), n_rows, scratch.narrow.get(), dim, scratch);
    normalise(weights.ffn_norm, scratch.narrow.get(), hidden, n_rows, hidden);
  }

  void finish(size_t text, float* out) const {
    const std::span<const float> rows(w_.hidden.get() + w_.first_row[text] * info_.dim,
                                      texts_[text].tokens.size() * info_.dim);
    if (info_.n_labels > 0) {
      classify(m_.weights, rows.first(info_.dim), out);
    } else {
      pool_rows(info_, rows, out);
    }
  }

  const Encoder::Impl& m_;
  const EncoderInfo& info_;
  const std::span<const EncoderText> texts_;
  Encoder::Workspace& w_;
  size_t n_rows_ = 0;
};

Encoder::Encoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Encoder::~Encoder() = default;
const EncoderInfo& Encoder::info() const { return impl_->config.info; }
size_t Encoder::max_rows() const { return impl_->max_rows(); }

Result<std::unique_ptr<Encoder>> Encoder::load(const std::string& folder, kernels::Isa isa,
                                               ThreadPool& pool) {
  MARU_ASSIGN_OR_RETURN(ModelSource source, ModelSource::open(folder));
  MARU_ASSIGN_OR_RETURN(EncoderConfig config, read_bert_config(source));
  // All names and shapes are checked before the first tensor is packed.
  MARU_ASSIGN_OR_RETURN(EncoderWeights weights, read_bert_weights(source, config, nullptr));
  MARU_ASSIGN_OR_RETURN(weights, read_bert_weights(source, config, &pool));
  auto impl = std::unique_ptr<Impl>(
      new Impl{std::move(source), std::move(config), std::move(weights), kernels::KernelSet(isa)});
  impl->weights.words =
      impl->source.find_tensor(impl->config.prefix + "embeddings.word_embeddings.weight");
  impl->words_format = tensor::find_format_by_gguf_type(impl->weights.words->gguf_type);
  return std::unique_ptr<Encoder>(new Encoder(std::move(impl)));
}

Result<EncoderInfo> Encoder::read_info(const std::string& folder) {
  MARU_ASSIGN_OR_RETURN(ModelSource source, ModelSource::open(folder));
  MARU_ASSIGN_OR_RETURN(const EncoderConfig config, read_bert_config(source));
  MARU_ASSIGN_OR_RETURN(const EncoderWeights checked, read_bert_weights(source, config, nullptr));
  return config.info;
}

Status Encoder::check(const EncoderText& text) const {
  const EncoderInfo& info = impl_->config.info;
  if (text.tokens.empty() || text.types.size() != text.tokens.size()) {
    return Error{ErrorCode::kInvalidArgument, "a text without tokens has no vector",
                 "give at least one token", "input"};
  }
  if (text.tokens.size() > info.max_tokens) {
    return Error{ErrorCode::kTooLarge,
                 "a text has " + std::to_string(text.tokens.size()) +
                     " tokens; the model reads at most " + std::to_string(info.max_tokens),
                 "split the text, or ask for truncation", "input"};
  }
  for (size_t i = 0; i < text.tokens.size(); ++i) {
    if (text.tokens[i] < 0 || static_cast<uint32_t>(text.tokens[i]) >= info.n_vocab ||
        text.types[i] >= info.n_types) {
      return Error{ErrorCode::kInvalidArgument,
                   "token " + std::to_string(text.tokens[i]) +
                       " is not in the model's vocabulary of " + std::to_string(info.n_vocab),
                   "give ids of this model's tokenizer", "input"};
    }
  }
  return {};
}

std::unique_ptr<Encoder::Workspace, void (*)(Encoder::Workspace*)> Encoder::make_workspace(
    size_t n_threads) const {
  const EncoderInfo& info = impl_->config.info;
  const size_t rows = impl_->max_rows();
  auto* w = new Workspace;
  w->hidden = make_buffer<float>(rows * info.dim);
  w->qkv = make_buffer<float>(rows * 3 * info.dim);
  const size_t n_pages = rows / kPageTokens + kMaxTexts, page = 2 * impl_->half_page();
  for (size_t parity = 0; parity < 2; ++parity) {
    w->pages[parity] = make_buffer<uint8_t>(n_pages * page);
    for (size_t i = 0; i < n_pages; ++i) {
      w->page_list[parity].push_back(w->pages[parity].get() + i * page);
    }
  }
  const size_t widest = round_up(std::max(info.dim, info.n_ffn), kernels::kBlock16);
  w->threads.resize(n_threads);
  for (ThreadScratch& scratch : w->threads) {
    scratch.quantised = make_buffer<int16_t>(kItemRows * widest);
    scratch.steps = make_buffer<float>(kItemRows);
    scratch.narrow = make_buffer<float>(kItemRows * info.dim);
    scratch.wide = make_buffer<float>(kItemRows * info.n_ffn);
    scratch.attention = make_buffer<float>(kernels::attention_scratch_floats(impl_->head_dim()));
  }
  return {w, [](Workspace* p) { delete p; }};
}

void Encoder::run(std::span<const EncoderText> texts, ThreadPool& pool, Workspace& workspace,
                  float* out) const {
  size_t n_rows = 0;
  for (const EncoderText& text : texts) n_rows += text.tokens.size();
  MARU_CHECK(texts.size() <= kMaxTexts && n_rows <= max_rows());
  MARU_CHECK(workspace.threads.size() >= pool.size());
  if (texts.empty()) return;
  EncoderRun(*impl_, texts, workspace).run(pool, out);
}

}  // namespace maru::models
