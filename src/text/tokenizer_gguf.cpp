// Tokenizer from the metadata of a GGUF file (tokenizer.ggml.*).
#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "text/pretokenizer_scanners.h"
#include "text/tokenizer_bpe.h"

namespace maru::text {
namespace {

using formats::GgufArray;
using formats::GgufFile;

constexpr size_t kLongestToken = 4096;  // bytes
constexpr std::string_view kSpaceMark = "▁";

// tokenizer.ggml.token_type
enum TokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct GgufVocabulary {
  std::vector<std::string> texts;
  std::vector<int64_t> types;

  bool is_control(size_t i) const { return types[i] == kControl || types[i] == kUnknown; }
  bool is_text(size_t i) const { return types[i] == kNormal || types[i] == kUnused; }
};

Error missing(std::string_view key) {
  return Error{ErrorCode::kCorrupt, "GGUF metadata has no usable " + std::string(key),
               "convert the model again with its tokenizer"};
}

Result<GgufVocabulary> read_vocabulary(const GgufFile& file) {
  const auto* tokens = file.get_strings("tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->empty()) return missing("tokenizer.ggml.tokens");
  GgufVocabulary vocabulary;
  vocabulary.texts.assign(tokens->begin(), tokens->end());
  for (size_t i = 0; i < vocabulary.texts.size(); ++i) {
    if (vocabulary.texts[i].size() > kLongestToken) {
      return Error{ErrorCode::kCorrupt,
                   "tokenizer.ggml.tokens[" + std::to_string(i) + "] has " +
                       std::to_string(vocabulary.texts[i].size()) + " bytes, more than " +
                       std::to_string(kLongestToken),
                   "the file is damaged"};
    }
  }
  vocabulary.types.assign(vocabulary.texts.size(), kNormal);
  if (const auto* value = file.find("tokenizer.ggml.token_type"); value != nullptr) {
    const auto* array = std::get_if<GgufArray>(value);
    const auto* types =
        array == nullptr ? nullptr : std::get_if<std::vector<int64_t>>(&array->values);
    if (types == nullptr || types->size() != vocabulary.texts.size()) {
      return missing("tokenizer.ggml.token_type (one integer for each token)");
    }
    vocabulary.types = *types;
  }
  return vocabulary;
}

// How the vocabularies of a tokenizer.ggml.pre split text.
struct PreRules {
  std::vector<std::string_view> expressions;
  bool nfc = false;
  bool ignore_merges = false;
  bool adds_bos = false;
};

Result<PreRules> find_pre_rules(std::string_view name) {
  struct Row {
    std::string_view names;  // between spaces
    PreRules rules;
  };
  const std::array<Row, 8> rows{{
      {" gpt-2 phi-2 mpt olmo jais trillion exaone4 ", {{kGpt2Regex}}},
      {" smollm starcoder refact command-r codeshell exaone minerva-7b ",
       {{R"(\p{N})", kGpt2Regex}}},
      {" llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral ",
       {{kLlama3Regex}, false, true, true}},
      {" dbrx smaug-bpe ", {{kLlama3Regex}}},
      {" qwen2 deepseek-r1-qwen megrez ", {{kQwen2Regex}, true}},
      {" deepseek-v3 ", {{kDeepseekNumberRegex, kDeepseekIdeographRegex, kDeepseekRegex}}},
      {" deepseek-coder ",
       {{"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-\xED\x9F\xBF]+", R"(\p{N})"}}},
      {" gpt-4o ", {{kO200kRegex}}},
  }};
  for (const Row& row : rows) {
    if (row.names.find(" " + std::string(name) + " ") != std::string_view::npos) return row.rules;
  }
  return Error{ErrorCode::kInvalidArgument,
               "tokenizer.ggml.pre \"" + std::string(name) + "\" is not supported",
               "use a Hugging Face folder with tokenizer.json, whose rules are read as written"};
}

// "left right", split at the first space behind the first byte.
Result<std::vector<BpeMerge>> read_merges(const GgufFile& file, const Vocabulary& vocabulary) {
  const auto* lines = file.get_strings("tokenizer.ggml.merges");
  if (lines == nullptr) return missing("tokenizer.ggml.merges");
  std::vector<BpeMerge> merges;
  merges.reserve(lines->size());
  for (size_t rank = 0; rank < lines->size(); ++rank) {
    const std::string_view line = (*lines)[rank];
    const size_t space = line.find(' ', 1);
    if (space != std::string_view::npos) {
      const std::string_view left = line.substr(0, space), right = line.substr(space + 1);
      const BpeMerge merge{vocabulary.find(left), vocabulary.find(right),
                           vocabulary.find(std::string(left) + std::string(right)),
                           static_cast<uint32_t>(rank)};
      if (merge.left != kNoToken && merge.right != kNoToken && merge.joined != kNoToken) {
        if (!vocabulary.is_control(merge.joined)) merges.push_back(merge);
        continue;
      }
    }
    return Error{ErrorCode::kCorrupt,
                 "tokenizer.ggml.merges[" + std::to_string(rank) + "] \"" + std::string(line) +
                     "\" is no pair of tokens that gives a token",
                 "the file is damaged"};
  }
  return merges;
}

// Equal scores get equal ranks: the leftmost pair wins then.
Result<std::vector<uint32_t>> read_ranks(const GgufFile& file, size_t n_tokens) {
  const auto* value = file.find("tokenizer.ggml.scores");
  const auto* array = value == nullptr ? nullptr : std::get_if<GgufArray>(value);
  const auto* scores =
      array == nullptr ? nullptr : std::get_if<std::vector<double>>(&array->values);
  if (scores == nullptr || scores->size() != n_tokens) {
    return missing("tokenizer.ggml.scores (one float for each token)");
  }
  std::vector<size_t> order(n_tokens);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto score = [&](size_t i) {  // not a number: last, so that the order stays strict
    return (*scores)[i] == (*scores)[i] ? (*scores)[i] : -std::numeric_limits<double>::infinity();
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score(a) > score(b); });
  std::vector<uint32_t> ranks(n_tokens);
  uint32_t rank = 0;
  for (size_t i = 0; i < n_tokens; ++i) {
    if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
    ranks[order[i]] = rank;
  }
  return ranks;
}

Status build_byte_level(const GgufFile& file, const GgufVocabulary& source, TokenizerParts& parts) {
  const auto pre = file.get_string("tokenizer.ggml.pre");
  if (!pre.has_value()) return missing("tokenizer.ggml.pre");
  MARU_ASSIGN_OR_RETURN(const PreRules rules, find_pre_rules(*pre));
  if (rules.nfc) parts.normaliser.push_back(make_nfc());
  for (const std::string_view expression : rules.expressions) {
    MARU_ASSIGN_OR_RETURN(auto pattern, make_regex(std::string(expression)));
    parts.pretokenizer.push_back(make_split(std::move(pattern), SplitBehaviour::kIsolated, false));
  }
  if (file.get_bool("tokenizer.ggml.add_space_prefix").value_or(false)) {
    parts.normaliser.push_back(make_prepend(" "));
  }
  MARU_ASSIGN_OR_RETURN(auto merges, read_merges(file, parts.vocabulary));
  std::vector<std::string> units(source.texts.size());
  for (size_t i = 0; i < units.size(); ++i) {
    if (source.is_text(i)) units[i] = bytes_of_alphabet(source.texts[i]).value_or("");
  }
  BpeOptions options;
  options.ignore_merges = rules.ignore_merges;
  parts.bpe = std::make_unique<Bpe>(std::move(units), std::move(merges), options);
  parts.decoder = Decoder(parts.vocabulary, {.join = DecoderSpec::Join::kBytes});
  parts.adds_bos = rules.adds_bos;
  return {};
}

Status build_sentencepiece(const GgufFile& file, const GgufVocabulary& source,
                           TokenizerParts& parts) {
  const std::string mark(kSpaceMark);
  const bool adds_space = file.get_bool("tokenizer.ggml.add_space_prefix").value_or(true);
  if (adds_space) parts.normaliser.push_back(make_prepend(mark));
  parts.normaliser.push_back(make_replace(make_literal(" "), mark));

  MARU_ASSIGN_OR_RETURN(const auto ranks, read_ranks(file, source.texts.size()));
  BpeOptions options;
  options.byte_level = false;
  options.byte_fallback = true;
  options.fuse_unknown = true;
  options.byte_tokens.fill(kNoToken);
  std::vector<std::string> units(source.texts.size());
  for (size_t i = 0; i < units.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (source.types[i] == kByte) {
      if (const auto byte = byte_of_token(source.texts[i]); byte.has_value()) {
        options.byte_tokens[*byte] = id;
      }
    } else if (source.is_text(i)) {
      units[i] = source.texts[i];
    } else if (source.types[i] == kUnknown && options.unknown == kNoToken) {
      options.unknown = id;
    }
  }
  if (const auto id = file.get_uint("tokenizer.ggml.unknown_token_id");
      id.has_value() && *id < units.size()) {
    options.unknown = static_cast<TokenId>(*id);
  }
  auto merges = merges_from_ranks(units, ranks);
  parts.bpe = std::make_unique<Bpe>(std::move(units), std::move(merges), options);
  parts.decoder = Decoder(parts.vocabulary, {.join = DecoderSpec::Join::kPieces,
                                             .replacements = {{mark, " "}},
                                             .byte_fallback = true,
                                             .n_leading_spaces = adds_space ? 1u : 0u});
  parts.adds_bos = true;
  return {};
}

// Tokens that are found before the text is split: control tokens, and what the vocabulary's makers
// defined. Converters write SentencePiece's runs of space marks as spaces; they are marks again
// here, and also found behind the normaliser, where spaces have become marks.
void add_tokens(const GgufVocabulary& source, bool is_sentencepiece, TokenizerParts& parts) {
  std::vector<AddedToken> plain, normalised;
  for (size_t i = 0; i < source.texts.size(); ++i) {
    const bool control = source.is_control(i);
    if (!control && source.types[i] != kUserDefined) continue;
    AddedToken token{.text = source.texts[i],
                     .id = static_cast<TokenId>(i),
                     .guarded = control || looks_like_control(source.texts[i])};
    if (is_sentencepiece && !token.guarded &&
        token.text.find_first_not_of(' ') == std::string::npos) {
      const size_t n_spaces = token.text.size();
      token.text.clear();
      for (size_t n = 0; n < n_spaces; ++n) token.text += kSpaceMark;
      normalised.push_back(token);
    }
    plain.push_back(std::move(token));
  }
  parts.added = AddedTokens(std::move(plain));
  parts.normalised_added = AddedTokens(std::move(normalised));
}

std::optional<TokenId> special_id(const GgufFile& file, std::string_view name, size_t n_tokens) {
  const auto id = file.get_uint("tokenizer.ggml." + std::string(name) + "_token_id");
  if (!id.has_value() || *id >= n_tokens) return std::nullopt;
  return static_cast<TokenId>(*id);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_gguf(const formats::GgufFile& file) {
  const auto model = file.get_string("tokenizer.ggml.model");
  if (!model.has_value()) return missing("tokenizer.ggml.model");
  if (*model != "gpt2" && *model != "llama") {
    return Error{
        ErrorCode::kInvalidArgument,
        "tokenizer.ggml.model \"" + std::string(*model) + "\" is not supported",
        "models with gpt2 (byte-level BPE) or llama (SentencePiece BPE) vocabularies work"};
  }
  MARU_ASSIGN_OR_RETURN(const GgufVocabulary source, read_vocabulary(file));
  const size_t n_tokens = source.texts.size();
  std::vector<bool> control(n_tokens);
  for (size_t i = 0; i < n_tokens; ++i) control[i] = source.is_control(i);
  TokenizerParts parts;
  parts.vocabulary = Vocabulary(source.texts, std::move(control));
  add_tokens(source, *model == "llama", parts);
  MARU_RETURN_IF_ERROR(*model == "gpt2" ? build_byte_level(file, source, parts)
                                        : build_sentencepiece(file, source, parts));
  parts.bos = special_id(file, "bos", n_tokens);
  parts.eos = special_id(file, "eos", n_tokens);
  std::vector<TokenId> further;
  for (const std::string_view name : {"eot", "eom"}) {
    if (const auto id = special_id(file, name, n_tokens); id.has_value()) further.push_back(*id);
  }
  parts.end_tokens = find_end_tokens(parts.vocabulary, parts.eos, std::move(further));
  parts.adds_bos = file.get_bool("tokenizer.ggml.add_bos_token").value_or(parts.adds_bos) &&
                   parts.bos.has_value();
  return std::unique_ptr<Tokenizer>(std::make_unique<BpeTokenizer>(std::move(parts)));
}

}  // namespace maru::text
