#include "text/tokenizer_json_parts.h"

#include "text/pretokenizer_scanners.h"

namespace maru::text {
namespace {

// The members of a "Sequence", else the value itself.
std::vector<const SortedJson*> members_of(const SortedJson& value, const char* list_name) {
  std::vector<const SortedJson*> out;
  const SortedJson* list = type_name(value) == "Sequence" ? find_member(value, list_name) : nullptr;
  if (list == nullptr || !list->is_array()) {
    if (type_name(value) != "Sequence") out.push_back(&value);
    return out;
  }
  for (const SortedJson& member : *list) {
    for (const SortedJson* inner : members_of(member, list_name)) out.push_back(inner);
  }
  return out;
}

Result<std::string> read_string(const SortedJson& object, const char* name,
                                const std::string& where) {
  const SortedJson* value = find_member(object, name);
  if (value == nullptr || !value->is_string()) return corrupt(where + "." + name, "a string");
  return value->get<std::string>();
}

uint32_t get_count(const SortedJson& object, const char* name) {
  const SortedJson* value = find_member(object, name);
  if (value == nullptr || !value->is_number_unsigned()) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(value->get<uint64_t>(), 1000));
}

// {"String": "..."} or {"Regex": "..."}
Result<std::unique_ptr<Pattern>> read_pattern(const SortedJson& object, const std::string& where) {
  const SortedJson* pattern = find_member(object, "pattern");
  if (pattern != nullptr) {
    const SortedJson* literal = find_member(*pattern, "String");
    if (literal != nullptr && literal->is_string()) {
      return make_literal(literal->get<std::string>());
    }
    const SortedJson* regex = find_member(*pattern, "Regex");
    if (regex != nullptr && regex->is_string()) return make_regex(regex->get<std::string>());
  }
  return corrupt(where + ".pattern", "an object with String or Regex");
}

Result<std::unique_ptr<NormaliserStep>> read_normaliser_step(const SortedJson& step) {
  const std::string type = type_name(step);
  if (type == "NFC") return make_nfc();
  if (type == "Prepend") {
    MARU_ASSIGN_OR_RETURN(auto prefix, read_string(step, "prepend", "normalizer"));
    return make_prepend(std::move(prefix));
  }
  if (type == "Replace") {
    MARU_ASSIGN_OR_RETURN(auto pattern, read_pattern(step, "normalizer"));
    MARU_ASSIGN_OR_RETURN(auto content, read_string(step, "content", "normalizer"));
    return make_replace(std::move(pattern), std::move(content));
  }
  if (type == "Strip") {
    return make_strip(get_flag(step, "strip_left", true), get_flag(step, "strip_right", true));
  }
  return unsupported("normalizer", type);
}

Result<std::unique_ptr<PretokenizerStep>> read_split(const SortedJson& step) {
  MARU_ASSIGN_OR_RETURN(auto pattern, read_pattern(step, "pre_tokenizer"));
  MARU_ASSIGN_OR_RETURN(const auto name, read_string(step, "behavior", "pre_tokenizer"));
  const std::pair<const char*, SplitBehaviour> behaviours[] = {
      {"Removed", SplitBehaviour::kRemoved},
      {"Isolated", SplitBehaviour::kIsolated},
      {"MergedWithPrevious", SplitBehaviour::kMergedWithPrevious},
      {"MergedWithNext", SplitBehaviour::kMergedWithNext},
      {"Contiguous", SplitBehaviour::kContiguous},
  };
  for (const auto& [known, behaviour] : behaviours) {
    if (name == known) {
      return make_split(std::move(pattern), behaviour, get_flag(step, "invert", false));
    }
  }
  return unsupported("pre_tokenizer behavior", name);
}

Result<std::unique_ptr<PretokenizerStep>> read_metaspace(const SortedJson& step) {
  std::string mark = "▁";
  if (find_member(step, "replacement") != nullptr) {
    MARU_ASSIGN_OR_RETURN(mark, read_string(step, "replacement", "pre_tokenizer"));
  }
  PrependScheme scheme = PrependScheme::kAlways;
  if (find_member(step, "prepend_scheme") != nullptr) {
    MARU_ASSIGN_OR_RETURN(const auto name, read_string(step, "prepend_scheme", "pre_tokenizer"));
    if (name == "first") {
      scheme = PrependScheme::kFirst;
    } else if (name == "never") {
      scheme = PrependScheme::kNever;
    } else if (name != "always") {
      return unsupported("pre_tokenizer prepend_scheme", name);
    }
  } else if (!get_flag(step, "add_prefix_space", true)) {
    scheme = PrependScheme::kNever;
  }
  return make_metaspace(std::move(mark), scheme, get_flag(step, "split", true));
}

Status read_pretokenizer_step(const SortedJson& step, ReadPretokenizer& out) {
  const std::string type = type_name(step);
  if (type == "ByteLevel") {
    out.byte_level = true;
    if (get_flag(step, "add_prefix_space", true)) out.steps.push_back(make_prefix_space());
    if (get_flag(step, "use_regex", true)) {
      MARU_ASSIGN_OR_RETURN(auto pattern, make_regex(std::string(kGpt2Regex)));
      out.steps.push_back(make_split(std::move(pattern), SplitBehaviour::kIsolated, false));
    }
    return {};
  }
  if (out.byte_level) return unsupported("pre_tokenizer behind ByteLevel", type);
  if (type == "Split") {
    MARU_ASSIGN_OR_RETURN(auto split, read_split(step));
    out.steps.push_back(std::move(split));
  } else if (type == "Digits") {
    out.steps.push_back(make_digits(get_flag(step, "individual_digits", false)));
  } else if (type == "Metaspace") {
    MARU_ASSIGN_OR_RETURN(auto metaspace, read_metaspace(step));
    out.steps.push_back(std::move(metaspace));
  } else {
    return unsupported("pre_tokenizer", type);
  }
  return {};
}

Status read_decoder_step(const SortedJson& step, bool& fused, DecoderSpec& spec) {
  const std::string type = type_name(step);
  if (type == "Fuse") {
    fused = true;
  } else if (type == "ByteLevel") {
    spec.join = DecoderSpec::Join::kBytes;
  } else if (type == "ByteFallback") {
    spec.byte_fallback = true;
  } else if (type == "Replace" && !fused && !spec.byte_fallback) {
    const SortedJson* pattern = find_member(step, "pattern");
    if (pattern == nullptr || find_member(*pattern, "String") == nullptr) {
      return unsupported("decoder", "Replace by Regex");
    }
    MARU_ASSIGN_OR_RETURN(auto from, read_string(*pattern, "String", "decoder.pattern"));
    MARU_ASSIGN_OR_RETURN(auto to, read_string(step, "content", "decoder"));
    spec.replacements.emplace_back(std::move(from), std::move(to));
  } else if (type == "Strip" && fused && get_count(step, "stop") == 0) {
    const SortedJson* content = find_member(step, "content");
    if (content == nullptr || *content != " ") return unsupported("decoder", "Strip of no space");
    spec.n_leading_spaces = get_count(step, "start");
  } else if (type == "Metaspace") {
    std::string mark = "▁";
    if (find_member(step, "replacement") != nullptr) {
      MARU_ASSIGN_OR_RETURN(mark, read_string(step, "replacement", "decoder"));
    }
    const SortedJson* scheme = find_member(step, "prepend_scheme");
    const bool prepends =
        scheme != nullptr ? *scheme != "never" : get_flag(step, "add_prefix_space", true);
    if (prepends) spec.first_token_drops = mark;
    spec.replacements.emplace_back(std::move(mark), " ");
  } else {
    return unsupported("decoder (or its place in the sequence)", type);
  }
  return {};
}

}  // namespace

const SortedJson* find_member(const SortedJson& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto member = object.find(name);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

bool get_flag(const SortedJson& object, const char* name, bool otherwise) {
  const SortedJson* value = find_member(object, name);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

std::string type_name(const SortedJson& object) {
  const SortedJson* type = find_member(object, "type");
  return type != nullptr && type->is_string() ? type->get<std::string>() : "(none)";
}

Error corrupt(const std::string& where, const std::string& expected) {
  return Error{ErrorCode::kCorrupt, "tokenizer.json: " + where + " is not " + expected,
               "fetch the file again"};
}

Error unsupported(const std::string& kind, const std::string& name) {
  return Error{ErrorCode::kInvalidArgument,
               "tokenizer.json: " + kind + " " + name + " is not supported",
               "byte-level BPE and SentencePiece-style BPE tokenizers work"};
}

Result<std::vector<std::unique_ptr<NormaliserStep>>> read_normaliser(const SortedJson& root) {
  std::vector<std::unique_ptr<NormaliserStep>> out;
  const SortedJson* normaliser = find_member(root, "normalizer");
  if (normaliser == nullptr) return out;
  for (const SortedJson* step : members_of(*normaliser, "normalizers")) {
    MARU_ASSIGN_OR_RETURN(auto made, read_normaliser_step(*step));
    out.push_back(std::move(made));
  }
  return out;
}

Result<ReadPretokenizer> read_pretokenizer(const SortedJson& root) {
  ReadPretokenizer out;
  const SortedJson* pretokenizer = find_member(root, "pre_tokenizer");
  if (pretokenizer == nullptr) return out;
  for (const SortedJson* step : members_of(*pretokenizer, "pretokenizers")) {
    MARU_RETURN_IF_ERROR(read_pretokenizer_step(*step, out));
  }
  return out;
}

Result<DecoderSpec> read_decoder(const SortedJson& root) {
  DecoderSpec spec;
  const SortedJson* decoder = find_member(root, "decoder");
  if (decoder == nullptr) {
    spec.join = DecoderSpec::Join::kSpaced;
    return spec;
  }
  bool fused = false;
  for (const SortedJson* step : members_of(*decoder, "decoders")) {
    MARU_RETURN_IF_ERROR(read_decoder_step(*step, fused, spec));
  }
  return spec;
}

TemplateTokens read_template_tokens(const SortedJson& root) {
  TemplateTokens out;
  const SortedJson* processor = find_member(root, "post_processor");
  if (processor == nullptr) return out;
  for (const SortedJson* step : members_of(*processor, "processors")) {
    const SortedJson* single = find_member(*step, "single");
    if (type_name(*step) != "TemplateProcessing" || single == nullptr || !single->is_array()) {
      continue;
    }
    bool behind_text = false;
    for (const SortedJson& part : *single) {
      if (find_member(part, "Sequence") != nullptr) behind_text = true;
      const SortedJson* token = find_member(part, "SpecialToken");
      const SortedJson* id = token == nullptr ? nullptr : find_member(*token, "id");
      if (id == nullptr || !id->is_string()) continue;
      (behind_text ? out.last : out.first) = id->get<std::string>();
    }
  }
  return out;
}

}  // namespace maru::text
