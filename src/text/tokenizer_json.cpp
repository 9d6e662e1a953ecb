// Tokenizer from a Hugging Face tokenizer.json and the files beside it. Only the BPE model; the
// parts of the pipeline are read by tokenizer_json_parts.cpp.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/json.h"
#include "text/tokenizer_bpe.h"
#include "text/tokenizer_json_parts.h"

namespace maru::text {
namespace {

constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;
constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr int64_t kMaxTokens = 4'000'000;

struct AddedEntry {
  AddedToken token;
  bool special = false;
  bool normalised = false;
};

Result<TokenId> read_id(const SortedJson& value, const std::string& where) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > kMaxTokens) {
    return corrupt(where, "a token id between 0 and " + std::to_string(kMaxTokens));
  }
  return static_cast<TokenId>(value.get<int64_t>());
}

Result<std::vector<AddedEntry>> read_added_tokens(const SortedJson& root) {
  std::vector<AddedEntry> out;
  const SortedJson* list = find_member(root, "added_tokens");
  if (list == nullptr) return out;
  if (!list->is_array()) return corrupt("added_tokens", "an array");
  for (size_t i = 0; i < list->size(); ++i) {
    const SortedJson& entry = (*list)[i];
    const std::string where = "added_tokens[" + std::to_string(i) + "]";
    const SortedJson* id = find_member(entry, "id");
    const SortedJson* content = find_member(entry, "content");
    if (id == nullptr || content == nullptr || !content->is_string()) {
      return corrupt(where, "an object with id and content");
    }
    AddedEntry added;
    MARU_ASSIGN_OR_RETURN(added.token.id, read_id(*id, where + ".id"));
    added.token.text = content->get<std::string>();
    added.special = get_flag(entry, "special", false);
    added.normalised = get_flag(entry, "normalized", !added.special);
    added.token.guarded = added.special || looks_like_control(added.token.text);
    added.token.single_word = get_flag(entry, "single_word", false);
    added.token.lstrip = get_flag(entry, "lstrip", false);
    added.token.rstrip = get_flag(entry, "rstrip", false);
    out.push_back(std::move(added));
  }
  return out;
}

Result<Vocabulary> read_vocabulary(const SortedJson& model, const std::vector<AddedEntry>& added) {
  const SortedJson* vocab = find_member(model, "vocab");
  if (vocab == nullptr || !vocab->is_object()) return corrupt("model.vocab", "an object");
  std::vector<std::string> texts;
  const auto put = [&texts](TokenId id, const std::string& text) {
    if (static_cast<size_t>(id) >= texts.size()) texts.resize(static_cast<size_t>(id) + 1);
    texts[static_cast<size_t>(id)] = text;
  };
  for (const auto& [text, id] : vocab->items()) {
    MARU_ASSIGN_OR_RETURN(const TokenId token, read_id(id, "model.vocab[\"" + text + "\"]"));
    put(token, text);
  }
  for (const AddedEntry& entry : added) put(entry.token.id, entry.token.text);
  std::vector<bool> control(texts.size());
  for (const AddedEntry& entry : added) {
    if (entry.special) control[static_cast<size_t>(entry.token.id)] = true;
  }
  return Vocabulary(std::move(texts), std::move(control));
}

// A merge is "left right" or ["left", "right"].
bool read_pair(const SortedJson& entry, std::string& left, std::string& right) {
  if (entry.is_array()) {
    if (entry.size() != 2 || !entry[0].is_string() || !entry[1].is_string()) return false;
    left = entry[0].get<std::string>();
    right = entry[1].get<std::string>();
    return true;
  }
  if (!entry.is_string()) return false;
  const auto& line = entry.get_ref<const std::string&>();
  const size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) return false;
  left = line.substr(0, space);
  right = line.substr(space + 1);
  return true;
}

Result<std::vector<BpeMerge>> read_merges(const SortedJson& model, const Vocabulary& vocabulary) {
  const SortedJson* list = find_member(model, "merges");
  if (list == nullptr || !list->is_array()) return corrupt("model.merges", "an array");
  std::vector<BpeMerge> merges;
  merges.reserve(list->size());
  std::string left, right;
  for (size_t rank = 0; rank < list->size(); ++rank) {
    const SortedJson& entry = (*list)[rank];
    const std::string where = "model.merges[" + std::to_string(rank) + "]";
    if (!read_pair(entry, left, right)) return corrupt(where, "a pair of tokens");
    const BpeMerge merge{vocabulary.find(left), vocabulary.find(right),
                         vocabulary.find(left + right), static_cast<uint32_t>(rank)};
    if (merge.left == kNoToken || merge.right == kNoToken || merge.joined == kNoToken) {
      return corrupt(
          where, "tokens of the vocabulary that join to one (\"" + left + "\" \"" + right + "\")");
    }
    // What a person wrote must never become a control token, by whatever way.
    if (!vocabulary.is_control(merge.joined)) merges.push_back(merge);
  }
  return merges;
}

Status check_model(const SortedJson& model) {
  if (!model.is_object()) return corrupt("model", "an object");
  // Files older than the field "type" hold BPE if they have merges.
  const SortedJson* type = find_member(model, "type");
  if (type != nullptr ? *type != "BPE" : find_member(model, "merges") == nullptr) {
    return unsupported("model.type", type == nullptr ? "(none)" : type_name(model));
  }
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const SortedJson* value = find_member(model, name);
    if (value != nullptr && *value != "") return unsupported("model option", name);
  }
  const SortedJson* dropout = find_member(model, "dropout");
  if (dropout != nullptr && *dropout != 0.0) return unsupported("model option", "dropout");
  return {};
}

Status build_bpe(const SortedJson& model, bool byte_level, TokenizerParts& parts) {
  const Vocabulary& vocabulary = parts.vocabulary;
  BpeOptions options;
  options.byte_level = byte_level;
  options.ignore_merges = get_flag(model, "ignore_merges", false);
  options.fuse_unknown = get_flag(model, "fuse_unk", false);
  options.byte_fallback = get_flag(model, "byte_fallback", false);
  options.byte_tokens.fill(kNoToken);
  if (const SortedJson* unknown = find_member(model, "unk_token"); unknown != nullptr) {
    if (!unknown->is_string()) return corrupt("model.unk_token", "a string or null");
    options.unknown = vocabulary.find(unknown->get_ref<const std::string&>());
    if (options.unknown == kNoToken) return corrupt("model.unk_token", "a token of the vocabulary");
  }
  std::vector<std::string> units(vocabulary.size());
  for (size_t i = 0; i < units.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (vocabulary.is_control(id)) continue;
    const std::string& text = vocabulary.text(id);
    if (byte_level) {
      units[i] = bytes_of_alphabet(text).value_or("");
    } else if (const auto byte = byte_of_token(text); options.byte_fallback && byte.has_value()) {
      options.byte_tokens[*byte] = id;
    } else {
      units[i] = text;
    }
  }
  MARU_ASSIGN_OR_RETURN(auto merges, read_merges(model, vocabulary));
  parts.bpe = std::make_unique<Bpe>(std::move(units), std::move(merges), options);
  return {};
}

void place_added_tokens(std::vector<AddedEntry> entries, TokenizerParts& parts) {
  std::vector<AddedToken> plain, normalised;
  for (AddedEntry& entry : entries) {
    // A guarded token must lie in trusted text, whose borders are known before normalising only.
    if (entry.normalised && !entry.token.guarded) {
      for (const auto& step : parts.normaliser) entry.token.text = step->apply(entry.token.text);
      normalised.push_back(std::move(entry.token));
    } else {
      plain.push_back(std::move(entry.token));
    }
  }
  parts.added = AddedTokens(std::move(plain));
  parts.normalised_added = AddedTokens(std::move(normalised));
}

void find_special_tokens(const SortedJson& root, const TokenizerConfig& config,
                         TokenizerParts& parts) {
  const Vocabulary& vocabulary = parts.vocabulary;
  const TemplateTokens from_template = read_template_tokens(root);
  const auto choose = [&](const std::optional<std::string>& named,
                          const std::optional<std::string>& templated,
                          std::initializer_list<const char*> known) -> std::optional<TokenId> {
    for (const auto& spelling : {named, templated}) {
      if (!spelling.has_value()) continue;
      if (const TokenId id = vocabulary.find(*spelling); id != kNoToken) return id;
    }
    for (const char* spelling : known) {
      const TokenId id = vocabulary.find(spelling);
      if (id != kNoToken && vocabulary.is_control(id)) return id;
    }
    return std::nullopt;
  };
  parts.bos =
      choose(config.bos_token, from_template.first,
             {"<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<｜begin▁of▁sentence｜>"});
  parts.eos = choose(config.eos_token, from_template.last, {});
  parts.end_tokens = find_end_tokens(vocabulary, parts.eos, {});
  if (!parts.eos.has_value() && !parts.end_tokens.empty()) parts.eos = parts.end_tokens.front();
  parts.adds_bos =
      config.add_bos_token.value_or(from_template.first.has_value()) && parts.bos.has_value();
}

// bos_token is a string, an object with "content", or null.
std::optional<std::string> token_spelling(const SortedJson& object, const char* name) {
  const SortedJson* value = find_member(object, name);
  if (value != nullptr && value->is_object()) value = find_member(*value, "content");
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

// Files that are absent name nothing; tokenizer_config.json goes first.
Result<TokenizerConfig> read_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::string path = (folder / name).string();
    auto text = read_file(path, kMaxConfigBytes);
    if (!text.has_value()) {
      if (text.error().code == ErrorCode::kNotFound) continue;
      return std::move(text).error();
    }
    auto json = parse_sorted_json(*text);
    if (!json.has_value()) {
      return Error{ErrorCode::kCorrupt, path + ": " + json.error().message, json.error().hint};
    }
    if (!config.bos_token.has_value()) config.bos_token = token_spelling(*json, "bos_token");
    if (!config.eos_token.has_value()) config.eos_token = token_spelling(*json, "eos_token");
    const SortedJson* adds_bos = find_member(*json, "add_bos_token");
    if (adds_bos != nullptr && adds_bos->is_boolean()) config.add_bos_token = adds_bos->get<bool>();
  }
  return config;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_json(std::string_view tokenizer_json,
                                                        const TokenizerConfig& config) {
  auto parsed = parse_sorted_json(tokenizer_json, {.max_bytes = kMaxTokenizerBytes});
  if (!parsed.has_value()) {
    return Error{ErrorCode::kCorrupt, "tokenizer.json: " + parsed.error().message,
                 parsed.error().hint};
  }
  const SortedJson& root = *parsed;
  const SortedJson* model = find_member(root, "model");
  if (model == nullptr) return corrupt("model", "an object");
  MARU_RETURN_IF_ERROR(check_model(*model));
  TokenizerParts parts;
  MARU_ASSIGN_OR_RETURN(auto added, read_added_tokens(root));
  MARU_ASSIGN_OR_RETURN(parts.vocabulary, read_vocabulary(*model, added));
  MARU_ASSIGN_OR_RETURN(parts.normaliser, read_normaliser(root));
  MARU_ASSIGN_OR_RETURN(auto pretokenizer, read_pretokenizer(root));
  parts.pretokenizer = std::move(pretokenizer.steps);
  MARU_ASSIGN_OR_RETURN(auto decoder, read_decoder(root));
  parts.decoder = Decoder(parts.vocabulary, std::move(decoder));
  MARU_RETURN_IF_ERROR(build_bpe(*model, pretokenizer.byte_level, parts));
  find_special_tokens(root, config, parts);
  place_added_tokens(std::move(added), parts);
  return std::unique_ptr<Tokenizer>(std::make_unique<BpeTokenizer>(std::move(parts)));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_json_file(const std::string& path) {
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxTokenizerBytes));
  MARU_ASSIGN_OR_RETURN(const TokenizerConfig config,
                        read_config(std::filesystem::path(path).parent_path()));
  auto tokenizer = from_json(text, config);
  if (!tokenizer.has_value()) tokenizer.error().message = path + ": " + tokenizer.error().message;
  return tokenizer;
}

}  // namespace maru::text
