#include "service/hub_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "service/model_manifest.h"

namespace maru::service {
namespace {

constexpr size_t kMaxAnswerBytes = size_t{16} << 20;
constexpr size_t kMaxFiles = 100'000;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 46;  // kMaxFiles of them still fit 64 bits
constexpr uint64_t kMaxPaperBytes = uint64_t{4} << 20;
constexpr std::string_view kGgufSuffix = ".gguf";

// Beside the weights of a Hugging Face folder; what a language or an embedding model is read with.
constexpr std::string_view kFolderFiles[] = {"config.json",
                                             "generation_config.json",
                                             "tokenizer.json",
                                             "tokenizer_config.json",
                                             "special_tokens_map.json",
                                             "chat_template.jinja",
                                             "chat_template.json",
                                             "vocab.txt",
                                             "modules.json",
                                             "sentence_bert_config.json",
                                             "config_sentence_transformers.json",
                                             "1_Pooling/config.json"};
// What says under which terms a model may be used, and what is known of it.
constexpr std::string_view kPapers[] = {"README.md",   "LICENSE",       "LICENSE.md",
                                        "LICENSE.txt", "LICENCE",       "NOTICE",
                                        "NOTICE.txt",  "USE_POLICY.md", "Notice.txt"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

bool is_hub_part(std::string_view part) {
  return !part.empty() && part.size() <= 96 && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), is_word);
}

bool is_hex(std::string_view text, size_t n) {
  return text.size() == n && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return out;
}

Error strange(const std::string& what) {
  return {ErrorCode::kCorrupt, fmt::format("the hub's answer makes no sense: {}", what),
          "is HF_ENDPOINT the address of a Hugging Face hub?", "", Reason{"hub_strange"}};
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// cardData.license is a text or a list of them; else the tags say it.
std::string licence_of(const Json& json) {
  const auto card = json.find("cardData");
  if (card != json.end() && card->is_object()) {
    const std::string name = text_or_empty(*card, "license_name");
    if (!name.empty()) return name;
    if (const std::string one = text_or_empty(*card, "license"); !one.empty()) return one;
  }
  const auto tags = json.find("tags");
  if (tags == json.end() || !tags->is_array()) return {};
  constexpr std::string_view kPrefix = "license:";
  for (const Json& tag : *tags) {
    if (!tag.is_string()) continue;
    const auto text = tag.get<std::string>();
    if (text.starts_with(kPrefix)) return text.substr(kPrefix.size());
  }
  return {};
}

Result<HubFile> parse_file(const Json& entry) {
  HubFile file;
  file.path = text_or_empty(entry, "rfilename");
  if (file.path.empty()) return strange("a file without a name");
  const auto lfs = entry.find("lfs");
  const bool is_lfs = lfs != entry.end() && lfs->is_object();
  const Json& sized = is_lfs ? *lfs : entry;
  const auto size = sized.find("size");
  if (size == sized.end() || !size->is_number_unsigned() || size->get<uint64_t>() > kMaxFileBytes) {
    return strange(fmt::format("{} has no size", file.path));
  }
  file.bytes = size->get<uint64_t>();
  if (is_lfs) {
    file.sha256 = text_or_empty(*lfs, "sha256");
    if (!is_hex(file.sha256, 64)) return strange(fmt::format("{} has no SHA-256", file.path));
  } else {
    file.git_blob = text_or_empty(entry, "blobId");
    if (!is_hex(file.git_blob, 40)) return strange(fmt::format("{} has no hash", file.path));
  }
  return file;
}

bool is_gguf(const HubFile& file) {
  const std::string name = upper(file.path);
  return name.ends_with(upper(kGgufSuffix)) && name.find("MMPROJ") == std::string::npos;
}

// Whether the quantisation's name stands in the file's as a word of its own: Q4_K is not Q4_K_M.
bool names_quantisation(const std::string& path, std::string_view quantisation) {
  const std::string name = upper(path.substr(path.rfind('/') + 1));
  const std::string wanted = upper(quantisation);
  const auto is_inner = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (size_t at = name.find(wanted); at != name.npos; at = name.find(wanted, at + 1)) {
    const size_t end = at + wanted.size();
    if ((at == 0 || !is_inner(name[at - 1])) && (end == name.size() || !is_inner(name[end]))) {
      return true;
    }
  }
  return false;
}

// "...-00001-of-00003.gguf"
bool is_split(const std::string& path) {
  const size_t of = path.rfind("-of-");
  return of != path.npos && of >= 5 &&
         path.find_first_not_of("0123456789", of + 4) == path.size() - kGgufSuffix.size();
}

std::string names_of(const std::vector<const HubFile*>& files) {
  std::string names;
  for (const HubFile* file : files) names += (names.empty() ? "" : ", ") + file->path;
  return names.empty() ? "none" : names;
}

Result<const HubFile*> choose_gguf(const std::vector<const HubFile*>& files, const FileWish& wish) {
  std::vector<const HubFile*> fitting;
  const auto take = [&](auto&& is_wanted) {
    std::copy_if(files.begin(), files.end(), std::back_inserter(fitting),
                 [&](const HubFile* file) { return is_wanted(*file); });
  };
  if (!wish.file.empty()) {
    take([&](const HubFile& file) { return file.path == wish.file; });
  } else if (!wish.quantisation.empty()) {
    take([&](const HubFile& file) { return names_quantisation(file.path, wish.quantisation); });
  } else if (files.size() == 1) {
    fitting = files;
  } else {
    for (const std::string_view quantisation : kQuantisationOrder) {
      if (!fitting.empty()) break;
      take([&](const HubFile& file) { return names_quantisation(file.path, quantisation); });
    }
  }
  if (fitting.size() == 1 && !is_split(fitting.front()->path)) return fitting.front();
  const std::string hint =
      "choose one with --file PATH or a quantisation behind the name (:Q8_0); there are: " +
      names_of(files);
  if (fitting.empty()) {
    return Error{ErrorCode::kNotFound, "no GGUF file of the repository is what you want", hint, "",
                 Reason{"hub_no_such_file", {{"files", names_of(files)}}}};
  }
  if (is_split(fitting.front()->path)) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("{} is one part of a file that was split, which Maru does not read",
                             fitting.front()->path),
                 hint, "", Reason{"hub_split_file", {{"file", fitting.front()->path}}}};
  }
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("several GGUF files fit: {}", names_of(fitting)), hint, "",
               Reason{"hub_several_files", {{"files", names_of(fitting)}}}};
}

void add_papers(const HubAnswer& answer, FileChoice& choice) {
  for (const HubFile& file : answer.files) {
    if (file.bytes <= kMaxPaperBytes &&
        std::find(std::begin(kPapers), std::end(kPapers), file.path) != std::end(kPapers)) {
      choice.files.push_back(file);
    }
  }
}

bool is_weights(const std::string& path) {
  if (path.find('/') != path.npos) return false;
  const bool is_model = path.starts_with("model") && path.ends_with(".safetensors");
  return is_model || path == "model.safetensors.index.json";
}

Result<FileChoice> choose_folder(const HubAnswer& answer) {
  FileChoice choice;
  bool has_config = false, has_tokenizer = false, has_weights = false;
  for (const HubFile& file : answer.files) {
    const bool is_known = std::find(std::begin(kFolderFiles), std::end(kFolderFiles), file.path) !=
                          std::end(kFolderFiles);
    if (!is_known && !is_weights(file.path)) continue;
    has_config = has_config || file.path == "config.json";
    has_tokenizer = has_tokenizer || file.path == "tokenizer.json";
    has_weights = has_weights || file.path.ends_with(".safetensors");
    choice.files.push_back(file);
  }
  if (has_config && has_tokenizer && has_weights) return choice;
  const char* missing = !has_weights  ? "a GGUF file or model.safetensors"
                        : !has_config ? "config.json"
                                      : "tokenizer.json";
  return Error{ErrorCode::kNotFound, fmt::format("the repository lacks {}", missing),
               "many models have a second repository with GGUF files, named ...-GGUF", "",
               Reason{"hub_no_weights", {{"missing", missing}}}};
}

}  // namespace

Result<HubName> parse_hub_name(const std::string& text) {
  HubName name;
  std::string rest = text;
  if (const size_t at = rest.find('@'); at != rest.npos) {
    name.revision = rest.substr(at + 1);
    rest.resize(at);
  }
  if (const size_t colon = rest.find(':'); colon != rest.npos) {
    name.quantisation = rest.substr(colon + 1);
    rest.resize(colon);
    if (!is_hub_part(name.quantisation)) rest.clear();
  }
  const size_t slash = rest.find('/');
  const bool is_good = slash != rest.npos && is_hub_part(rest.substr(0, slash)) &&
                       is_hub_part(rest.substr(slash + 1)) && check_inner_path(name.revision);
  const bool is_plain = std::all_of(name.revision.begin(), name.revision.end(),
                                    [](char c) { return is_word(c) || c == '/'; });
  if (!is_good || !is_plain) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("\"{}\" names no model of a hub", text),
                 "a name is organisation/model, then :quantisation and @revision if you want: "
                 "Qwen/Qwen3-4B-GGUF:Q4_K_M@main; 'maru recommend' lists short names",
                 "name", Reason{"hub_name_bad", {{"name", text}}}};
  }
  name.repository = rest;
  return name;
}

Result<HubAnswer> parse_hub_answer(std::string_view text) {
  const auto json = parse_json(text, {.max_bytes = kMaxAnswerBytes, .max_depth = 64});
  if (!json) return strange(json.error().message);
  if (!json->is_object()) return strange("it is no object");
  HubAnswer answer;
  answer.commit = text_or_empty(*json, "sha");
  if (!is_hex(answer.commit, 40)) return strange("it names no commit");
  answer.licence = licence_of(*json);
  const auto files = json->find("siblings");
  if (files == json->end() || !files->is_array() || files->size() > kMaxFiles) {
    return strange("it lists no files");
  }
  for (const Json& entry : *files) {
    if (!entry.is_object()) return strange("a file is no object");
    MARU_ASSIGN_OR_RETURN(HubFile file, parse_file(entry));
    if (check_inner_path(file.path)) answer.files.push_back(std::move(file));
  }
  std::sort(answer.files.begin(), answer.files.end(),
            [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  const auto twice =
      std::adjacent_find(answer.files.begin(), answer.files.end(),
                         [](const HubFile& a, const HubFile& b) { return a.path == b.path; });
  if (twice != answer.files.end()) return strange(twice->path + " is there twice");
  return answer;
}

Result<FileChoice> choose_files(const HubAnswer& answer, const FileWish& wish) {
  std::vector<const HubFile*> ggufs;
  for (const HubFile& file : answer.files) {
    if (is_gguf(file)) ggufs.push_back(&file);
  }
  const bool is_named = !wish.file.empty() || !wish.quantisation.empty();
  FileChoice choice;
  if (is_named || (!ggufs.empty() && !wish.wants_folder)) {
    MARU_ASSIGN_OR_RETURN(const HubFile* file, choose_gguf(ggufs, wish));
    choice.name = file->path.substr(file->path.rfind('/') + 1);
    choice.name.resize(choice.name.size() - kGgufSuffix.size());
    choice.files.push_back(*file);
  } else {
    MARU_ASSIGN_OR_RETURN(choice, choose_folder(answer));
  }
  add_papers(answer, choice);
  return choice;
}

}  // namespace maru::service
