// WordPiece tokenizers from the files of a model's folder.
#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "text/tokenizer_json_parts.h"
#include "text/wordpiece.h"

namespace maru::text {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr int64_t kMaxTokens = 4'000'000;
constexpr uint8_t kMaxType = 1;

Error missing_token(const std::string& where, const std::string& token) {
  return Error{ErrorCode::kCorrupt, where + ": the vocabulary has no token '" + token + "'",
               "fetch the file again"};
}

Result<Vocabulary> read_vocabulary(const SortedJson& model) {
  const SortedJson* vocab = find_member(model, "vocab");
  if (vocab == nullptr || !vocab->is_object()) return corrupt("model.vocab", "an object");
  std::vector<std::string> texts;
  for (const auto& [text, id] : vocab->items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > kMaxTokens) {
      return corrupt("model.vocab[\"" + text + "\"]", "a token id");
    }
    const auto at = static_cast<size_t>(id.get<int64_t>());
    if (at >= texts.size()) texts.resize(at + 1);
    texts[at] = text;
  }
  std::vector<bool> control(texts.size());
  return Vocabulary(std::move(texts), std::move(control));
}

Status read_normalising(const SortedJson& root, BertNormalising& out) {
  const SortedJson* normaliser = find_member(root, "normalizer");
  if (normaliser == nullptr) {
    out = {false, false, false, false};
    return {};
  }
  if (type_name(*normaliser) != "BertNormalizer") {
    return unsupported("normalizer of a WordPiece model:", type_name(*normaliser));
  }
  out.clean_text = get_flag(*normaliser, "clean_text", true);
  out.handle_chinese_chars = get_flag(*normaliser, "handle_chinese_chars", true);
  out.lowercase = get_flag(*normaliser, "lowercase", true);
  out.strip_accents = get_flag(*normaliser, "strip_accents", out.lowercase);
  return {};
}

Result<uint8_t> read_type(const SortedJson& part) {
  const SortedJson* type = find_member(part, "type_id");
  if (type == nullptr) return uint8_t{0};
  if (!type->is_number_unsigned() || type->get<uint64_t>() > kMaxType) {
    return corrupt("post_processor: type_id", "0 or 1");
  }
  return static_cast<uint8_t>(type->get<uint64_t>());
}

// {"SpecialToken": {"id", "type_id"}} or {"Sequence": {"id": "A" or "B", "type_id"}}
Result<TemplatePart> read_part(const SortedJson& json, const Vocabulary& vocabulary) {
  TemplatePart out;
  const SortedJson* token = find_member(json, "SpecialToken");
  const SortedJson* part = token != nullptr ? token : find_member(json, "Sequence");
  const SortedJson* id = part == nullptr ? nullptr : find_member(*part, "id");
  if (id == nullptr || !id->is_string()) {
    return corrupt("post_processor", "a list of SpecialToken and Sequence with ids");
  }
  const auto name = id->get<std::string>();
  MARU_ASSIGN_OR_RETURN(out.type, read_type(*part));
  if (token == nullptr) {
    out.is_second = name == "B";
    return out;
  }
  out.token = vocabulary.find(name);
  if (*out.token == kNoToken) return missing_token("tokenizer.json: post_processor", name);
  return out;
}

Result<std::vector<TemplatePart>> read_template(const SortedJson& processor, const char* name,
                                                const Vocabulary& vocabulary) {
  const SortedJson* list = find_member(processor, name);
  if (list == nullptr || !list->is_array()) {
    return corrupt(std::string("post_processor.") + name, "an array");
  }
  std::vector<TemplatePart> out;
  for (const SortedJson& json : *list) {
    MARU_ASSIGN_OR_RETURN(const TemplatePart part, read_part(json, vocabulary));
    out.push_back(part);
  }
  return out;
}

// [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with B and its end of type 1.
void set_bert_templates(TokenId cls, TokenId sep, WordPieceParts& parts) {
  parts.single = {{cls, false, 0}, {std::nullopt, false, 0}, {sep, false, 0}};
  parts.pair = parts.single;
  parts.pair.push_back({std::nullopt, true, 1});
  parts.pair.push_back({sep, false, 1});
}

Status read_templates(const SortedJson& root, WordPieceParts& parts) {
  const SortedJson* processor = find_member(root, "post_processor");
  if (processor == nullptr) {
    parts.single = {{std::nullopt, false, 0}};
    parts.pair = {{std::nullopt, false, 0}, {std::nullopt, true, 1}};
    return {};
  }
  const std::string type = type_name(*processor);
  if (type == "BertProcessing") {
    TokenId ids[2];
    const char* const names[] = {"cls", "sep"};
    for (size_t i = 0; i < 2; ++i) {
      const SortedJson* pair = find_member(*processor, names[i]);  // ["[CLS]", 101]
      if (pair == nullptr || !pair->is_array() || pair->empty() || !(*pair)[0].is_string()) {
        return corrupt(std::string("post_processor.") + names[i], "a token and its id");
      }
      const auto name = (*pair)[0].get<std::string>();
      ids[i] = parts.vocabulary.find(name);
      if (ids[i] == kNoToken) return missing_token("tokenizer.json: post_processor", name);
    }
    set_bert_templates(ids[0], ids[1], parts);
    return {};
  }
  if (type != "TemplateProcessing") {
    return unsupported("post_processor of a WordPiece model:", type);
  }
  MARU_ASSIGN_OR_RETURN(parts.single, read_template(*processor, "single", parts.vocabulary));
  MARU_ASSIGN_OR_RETURN(parts.pair, read_template(*processor, "pair", parts.vocabulary));
  return {};
}

Status read_model(const SortedJson& root, WordPieceParts& parts) {
  const SortedJson* model = find_member(root, "model");
  if (model == nullptr) return corrupt("model", "an object");
  const SortedJson* type = find_member(*model, "type");
  // Files older than the field "type" hold WordPiece if words have a longest length.
  if (type != nullptr ? *type != "WordPiece"
                      : find_member(*model, "max_input_chars_per_word") == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 "tokenizer.json: model type " + type_name(*model) + " is not WordPiece",
                 "embedding models of the BERT family work"};
  }
  MARU_ASSIGN_OR_RETURN(parts.vocabulary, read_vocabulary(*model));
  std::string unknown = "[UNK]";
  const SortedJson* name = find_member(*model, "unk_token");
  if (name != nullptr && name->is_string()) unknown = name->get<std::string>();
  parts.unknown = parts.vocabulary.find(unknown);
  if (parts.unknown == kNoToken) return missing_token("tokenizer.json: model", unknown);
  const SortedJson* prefix = find_member(*model, "continuing_subword_prefix");
  if (prefix != nullptr && prefix->is_string()) parts.continuation = prefix->get<std::string>();
  const SortedJson* longest = find_member(*model, "max_input_chars_per_word");
  if (longest != nullptr) {
    if (!longest->is_number_unsigned() || longest->get<uint64_t>() > kMaxTokens) {
      return corrupt("model.max_input_chars_per_word", "a number of characters");
    }
    parts.max_word_characters = longest->get<size_t>();
  }
  return {};
}

// Words that a vocabulary's makers added by hand would have to be found before all others.
Status check_added_tokens(const SortedJson& root) {
  const SortedJson* list = find_member(root, "added_tokens");
  if (list == nullptr || !list->is_array()) return {};
  for (const SortedJson& token : *list) {
    const SortedJson* content = find_member(token, "content");
    if (!get_flag(token, "special", false) && content != nullptr && content->is_string()) {
      return unsupported("added token of a WordPiece model:", content->get<std::string>());
    }
  }
  return {};
}

Result<bool> reads_lower_case(const std::string& folder) {
  const std::string path = folder + "/tokenizer_config.json";
  if (!std::filesystem::exists(path)) return true;
  MARU_ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxFileBytes));
  MARU_ASSIGN_OR_RETURN(const SortedJson config, parse_sorted_json(text));
  return get_flag(config, "do_lower_case", true);
}

}  // namespace

Result<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::from_json(
    std::string_view tokenizer_json) {
  MARU_ASSIGN_OR_RETURN(const SortedJson root, parse_sorted_json(tokenizer_json));
  if (!root.is_object()) return corrupt("the file", "an object");
  WordPieceParts parts;
  MARU_RETURN_IF_ERROR(read_model(root, parts));
  MARU_RETURN_IF_ERROR(read_normalising(root, parts.normalising));
  MARU_RETURN_IF_ERROR(check_added_tokens(root));
  const SortedJson* split = find_member(root, "pre_tokenizer");
  if (split == nullptr || type_name(*split) != "BertPreTokenizer") {
    return unsupported("pre_tokenizer of a WordPiece model:",
                       split == nullptr ? "(none)" : type_name(*split));
  }
  MARU_RETURN_IF_ERROR(read_templates(root, parts));
  return std::make_unique<WordPieceTokenizer>(std::move(parts));
}

Result<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::from_vocabulary(
    std::string_view lines, bool lowercase) {
  std::vector<std::string> texts;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    texts.emplace_back(line);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  std::vector<bool> control(texts.size());
  WordPieceParts parts;
  parts.vocabulary = Vocabulary(std::move(texts), std::move(control));
  parts.normalising.lowercase = parts.normalising.strip_accents = lowercase;
  TokenId ids[3];
  const char* const names[] = {"[UNK]", "[CLS]", "[SEP]"};
  for (size_t i = 0; i < 3; ++i) {
    ids[i] = parts.vocabulary.find(names[i]);
    if (ids[i] == kNoToken) return missing_token("vocab.txt", names[i]);
  }
  parts.unknown = ids[0];
  set_bert_templates(ids[1], ids[2], parts);
  return std::make_unique<WordPieceTokenizer>(std::move(parts));
}

Result<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::from_folder(
    const std::string& folder) {
  const std::string json = folder + "/tokenizer.json", vocabulary = folder + "/vocab.txt";
  auto tokenizer = [&]() -> Result<std::unique_ptr<WordPieceTokenizer>> {
    if (std::filesystem::exists(json)) {
      MARU_ASSIGN_OR_RETURN(const std::string text, read_file(json, kMaxFileBytes));
      return from_json(text);
    }
    if (!std::filesystem::exists(vocabulary)) {
      return Error{ErrorCode::kNotFound, "there is neither tokenizer.json nor vocab.txt",
                   "fetch the model with its tokenizer"};
    }
    MARU_ASSIGN_OR_RETURN(const std::string text, read_file(vocabulary, kMaxFileBytes));
    MARU_ASSIGN_OR_RETURN(const bool lowercase, reads_lower_case(folder));
    return from_vocabulary(text, lowercase);
  }();
  if (!tokenizer) tokenizer.error().message = folder + ": " + tokenizer.error().message;
  return tokenizer;
}

}  // namespace maru::text
