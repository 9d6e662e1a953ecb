#include "service/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/sha256.h"
#include "formats/gguf.h"
#include "models/encoder.h"
#include "models/model.h"
#include "service/front_matter.h"
#include "service/licences.h"
#include "service/model_facts.h"
#include "service/model_manifest.h"
#include "service/model_text.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxJsonBytes = size_t{16} << 20;
constexpr const char* kTuning = "maru-tuning.json";  // of what made it from others

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.add(text);
  return to_hex(hash.finish());
}

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

// An object of a file that need not be there; null if it is not, or is no object.
Json read_object(const std::string& path) {
  const auto text = read_file(path, kMaxJsonBytes);
  if (!text) return nullptr;
  auto json = parse_json(*text);
  return json && json->is_object() ? *std::move(json) : Json(nullptr);
}

Json member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? Json(nullptr) : *found;
}

std::string folder_of(const ModelLocation& location) {
  std::error_code code;
  const fs::path path(location.path);
  return fs::is_directory(path, code) ? path.string() : path.parent_path().string();
}

// What makers say in words: the front matter of README.md, or keys of a GGUF file.
struct Statements {
  std::string licence, licence_source;
  std::vector<std::string> data_sets, parents;
  std::string source_url;
};

void read_readme(const std::string& folder, Statements& said) {
  const auto card = read_file(folder + "/README.md", kMaxJsonBytes);
  if (!card) return;
  for (const char* key : {"license", "license_name"}) {  // "other" has its name beside it
    const auto licence = front_matter(*card, key);
    if (licence.empty() || (!said.licence.empty() && said.licence != "other")) continue;
    said.licence = licence.front();
    said.licence_source = "README.md";
  }
  said.data_sets = front_matter(*card, "datasets");
  said.parents = front_matter(*card, "base_model");
}

void read_gguf_keys(const formats::GgufFile& file, Statements& said) {
  const auto text = [&](const std::string& key) {
    return std::string(file.get_string(key).value_or(""));
  };
  for (const char* key : {"general.license", "general.license.name"}) {
    const std::string licence = text(key);
    if (licence.empty() || (!said.licence.empty() && said.licence != "other")) continue;
    said.licence = licence;
    said.licence_source = key;
  }
  for (const char* key : {"general.source.url", "general.repo_url", "general.url"}) {
    if (said.source_url.empty()) said.source_url = text(key);
  }
  constexpr uint64_t kMost = 64;
  const auto list = [&](const char* what, std::vector<std::string>& names) {
    const uint64_t n =
        std::min(kMost, file.get_uint(fmt::format("general.{}.count", what)).value_or(0));
    for (uint64_t i = 0; i < n; ++i) {
      std::string name = text(fmt::format("general.{}.{}.repo_url", what, i));
      if (name.empty()) name = text(fmt::format("general.{}.{}.name", what, i));
      if (!name.empty()) names.push_back(std::move(name));
    }
  };
  list("base_model", said.parents);
  list("dataset", said.data_sets);
  if (const auto* names = file.get_strings("general.datasets"); names && said.data_sets.empty()) {
    for (const std::string_view name : *names) said.data_sets.emplace_back(name);
  }
}

Json formats_json(const std::vector<std::pair<std::string, uint64_t>>& format_bytes) {
  Json formats = Json::array();
  for (const auto& [format, bytes] : format_bytes) {
    formats.push_back(Json{{"format", format}, {"bytes", bytes}});
  }
  return formats;
}

Json structure_json(const models::ModelInfo& info) {
  return Json{{"family", info.family},
              {"parameters", info.n_parameters},
              {"layers", info.n_layers},
              {"heads", info.n_heads},
              {"kv_heads", info.n_kv_heads},
              {"head_dim", info.head_dim},
              {"dim", info.dim},
              {"vocabulary", info.vocab_size},
              {"context_length", info.context_length},
              {"weights", formats_json(info.format_bytes)}};
}

struct Structure {
  std::string name;         // as the model calls itself
  std::string fingerprint;  // 16 hex digits; empty for an encoder
  Json json;
};

Json encoder_structure(const models::EncoderInfo& info) {
  return Json{{"family", info.architecture},
              {"parameters", info.n_parameters},
              {"layers", info.n_layers},
              {"heads", info.n_heads},
              {"kv_heads", info.n_heads},
              {"head_dim", info.dim / info.n_heads},
              {"dim", info.dim},
              {"vocabulary", info.n_vocab},
              {"context_length", info.max_tokens},
              {"weights", formats_json(info.format_bytes)}};
}

// Errors: of a model that writes, unless it is an encoder.
Result<Structure> read_structure(const ModelLocation& location) {
  auto info = models::Model::read_info(location.path);
  if (info) {
    return Structure{info->name, fmt::format("{:016x}", info->fingerprint), structure_json(*info)};
  }
  if (location.kind == ModelKind::kGguf) return std::move(info).error();
  const auto encoder = models::Encoder::read_info(location.path);
  if (!encoder) return std::move(info).error();
  return Structure{encoder->name, "", encoder_structure(*encoder)};
}

Json licence_json(const Statements& said) {
  const Licence* known = find_licence(said.licence);
  Json limits = Json::array();
  if (known != nullptr) {
    for (const char* limit : known->limits) limits.push_back(limit);
  }
  return Json{{"id", text_or_null(said.licence)},
              {"name", known == nullptr ? Json(nullptr) : Json(known->name)},
              {"source", text_or_null(said.licence_source)},
              {"kind", licence_kind_name(known == nullptr ? LicenceKind::kUnknown : known->kind)},
              {"limits", known == nullptr ? Json(nullptr) : std::move(limits)}};
}

// "open": it is here, or the files name it; "named": the files name it, nobody has checked it;
// "unknown": the files do not say.
Json openness_json(const Statements& said, const Json& tuning) {
  const bool is_tuned = tuning.is_object();
  const bool has_data = is_tuned || !said.data_sets.empty();
  return Json{{"structure", "open"},
              {"weights", "open"},
              {"inference_code", "open"},
              {"training_code", is_tuned ? "open" : "unknown"},
              {"training_data", has_data ? "named" : "unknown"},
              {"training_hyperparameters", is_tuned ? "open" : "unknown"}};
}

Json origin_json(const std::optional<ModelManifest>& manifest, const Statements& said) {
  ModelOrigin origin;
  origin.kind = "unknown";
  if (manifest) origin = manifest->origin;
  return Json{{"kind", origin.kind},
              {"place", text_or_null(origin.place)},
              {"repository", text_or_null(origin.repository)},
              {"revision", text_or_null(origin.revision)},
              {"commit", text_or_null(origin.commit)},
              {"signer", text_or_null(manifest ? manifest->signer : "")},
              {"url", text_or_null(said.source_url)}};
}

// From what tuning left: {"parents": [{"name", "sha256"}], "data": [...], "settings": {...}}.
Json lineage_json(const Json& tuning, const Statements& said) {
  if (tuning.is_object()) {
    const Json parents = member(tuning, "parents"), data = member(tuning, "data"),
               settings = member(tuning, "settings");
    return Json{{"parents", parents.is_array() ? parents : Json::array()},
                {"data", data.is_array() ? data : Json::array()},
                {"settings", settings.is_object() ? settings : Json(nullptr)}};
  }
  Json parents = Json::array(), data = Json::array();
  for (const std::string& name : said.parents) {
    parents.push_back(Json{{"name", name}, {"sha256", nullptr}});
  }
  for (const std::string& name : said.data_sets) {
    data.push_back(Json{{"name", name}, {"sha256", nullptr}});
  }
  return Json{{"parents", std::move(parents)}, {"data", std::move(data)}, {"settings", nullptr}};
}

// Of all tokens in order: two tokenizers with the same tokens have the same.
Json tokenizer_fingerprint(const ModelLocation& location) {
  const auto tokenizer = load_tokenizer(location);
  if (!tokenizer) return nullptr;
  Sha256 hash;
  hash.add(uint64_t{(*tokenizer)->size()});
  for (size_t id = 0; id < (*tokenizer)->size(); ++id) {
    const auto token = (*tokenizer)->token_text(static_cast<text::TokenId>(id));
    hash.add(uint64_t{token.size()});
    hash.add(token);
  }
  return to_hex(hash.finish());
}

}  // namespace

Result<std::string> file_sha256(const std::string& path, const CardOptions& options) {
  const auto found = found_files({"", path, ModelKind::kGguf});
  if (found.size() != 1) return Error{ErrorCode::kNotFound, fmt::format("no file {}", path)};
  const FoundFile& file = found.front();
  const std::string entry =
      options.cache_folder.empty() ? "" : options.cache_folder + "/" + sha256_of(path) + ".json";
  const Json state{{"bytes", file.n_bytes}, {"written_ns", file.written_ns}};
  if (!entry.empty()) {
    const Json known = read_object(entry);
    const Json sha = member(known, "sha256");
    if (member(known, "state") == state && sha.is_string()) return sha.get<std::string>();
  }
  if (file.n_bytes > options.max_hash_bytes) return std::string();
  std::error_code code;
  const fs::path real = fs::canonical(path, code);  // the default model is a link
  MARU_ASSIGN_OR_RETURN(const FileHashes hashes, hash_file(code ? path : real.string()));
  const std::string& sha = hashes.sha256;
  if (!entry.empty()) {
    fs::create_directories(options.cache_folder, code);
    // Without the cache the file is hashed again, which is slow and no more.
    static_cast<void>(
        write_file_atomically(entry, dump_json(Json{{"state", state}, {"sha256", sha}})));
  }
  return sha;
}

Result<Json> make_card(const ModelLocation& location, const CardOptions& options) {
  MARU_ASSIGN_OR_RETURN(const Structure structure, read_structure(location));
  const std::string folder = folder_of(location);
  Statements said;
  if (location.kind == ModelKind::kGguf) {
    MARU_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(location.path));
    read_gguf_keys(file, said);
  } else {
    read_readme(folder, said);
  }
  // A broken one tells nothing; `maru models verify` says that it is broken.
  std::optional<ModelManifest> manifest;
  if (auto read = read_manifest(folder)) manifest = *std::move(read);
  const Json tuning = read_object(folder + "/" + kTuning);
  if (said.licence.empty() && manifest && !manifest->licence.empty()) {
    said.licence = manifest->licence;
    said.licence_source = kManifestName;
  }
  Json files = Json::array();
  for (const FoundFile& file : found_files(location)) {
    MARU_ASSIGN_OR_RETURN(const std::string sha, file_sha256(file.path, options));
    files.push_back(
        Json{{"name", file.name}, {"bytes", file.n_bytes}, {"sha256", text_or_null(sha)}});
  }
  MARU_ASSIGN_OR_RETURN(const std::string source, read_template_source(location));
  Json card;
  card["format"] = "maru-card";
  card["version"] = 1;
  card["name"] = location.name;
  card["calls_itself"] = text_or_null(structure.name);
  card["openness"] = openness_json(said, tuning);
  card["licence"] = licence_json(said);
  card["origin"] = origin_json(manifest, said);
  card["structure"] = structure.json;
  card["lineage"] = lineage_json(tuning, said);
  card["files"] = std::move(files);
  card["fingerprints"] =
      Json{{"model", text_or_null(structure.fingerprint)},
           {"chat_template", source.empty() ? Json(nullptr) : Json(sha256_of(source))},
           {"tokenizer", tokenizer_fingerprint(location)}};
  return card;
}

}  // namespace maru::service
