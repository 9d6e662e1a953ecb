#include "service/model_facts.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "models/encoder.h"
#include "models/model.h"
#include "service/model_text.h"

namespace maru::service {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNanoseconds = 1'000'000'000;

bool mentions(const std::string& source, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const char* word) { return source.find(word) != std::string::npos; });
}

// Of names, sizes and times: what changes when a file does.
uint64_t state_of(const std::vector<FoundFile>& files, const std::string& default_template) {
  std::string text = default_template;
  for (const FoundFile& file : files) {
    text += file.name + '\0' + std::to_string(file.n_bytes) + ' ' +
            std::to_string(file.written_ns) + '\0';
  }
  return std::hash<std::string>{}(text);
}

// Encoders are loaded at the start, by the settings that name them, and not by the pool.
void read_encoder_facts(const ModelLocation& location, ModelFacts& facts) {
  if (location.kind == ModelKind::kGguf) return;
  const auto info = models::Encoder::read_info(location.path);
  if (!info) return;
  const bool is_reranker = info->n_labels > 0;
  facts.family = info->architecture;
  facts.context_length = info->max_tokens;
  (is_reranker ? facts.can_rerank : facts.can_embed) = true;
  facts.problem =
      Error{ErrorCode::kInvalidArgument,
            fmt::format("'{}' is {}: it writes no text", location.name,
                        is_reranker ? "a reranker" : "an embedding model"),
            fmt::format("to serve it, name it in maru.toml: {} = \"{}\"",
                        is_reranker ? "rerank_model" : "embedding_model", location.name),
            "model", Reason{"model_no_text", {{"model", location.name}}}};
}

}  // namespace

std::vector<FoundFile> found_files(const ModelLocation& location) {
  std::vector<FoundFile> files;
  const auto add = [&](const fs::path& path) {
    struct stat found = {};
    if (::stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return;
    files.push_back({path.string(), path.filename().string(), static_cast<uint64_t>(found.st_size),
                     found.st_mtim.tv_sec * kNanoseconds + found.st_mtim.tv_nsec});
  };
  std::error_code code;
  if (fs::is_directory(location.path, code)) {
    for (fs::directory_iterator it(location.path, code), end; !code && it != end;
         it.increment(code)) {
      add(it->path());
    }
  } else {
    add(location.path);
  }
  std::sort(files.begin(), files.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.name < b.name; });
  return files;
}

DiskUse disk_use(const ModelLocation& location) {
  DiskUse use;
  for (const FoundFile& file : found_files(location)) {
    use.n_bytes += file.n_bytes;
    use.written_unix_seconds = std::max(use.written_unix_seconds, file.written_ns / kNanoseconds);
  }
  return use;
}

ModelFacts read_model_facts(const ModelLocation& location, const std::string& default_template) {
  ModelFacts facts;
  const DiskUse use = disk_use(location);
  facts.file_bytes = use.n_bytes;
  facts.created_unix_seconds = use.written_unix_seconds;
  const auto info = models::Model::read_info(location.path);
  if (!info) {
    facts.problem = info.error();
    read_encoder_facts(location, facts);
    return facts;
  }
  facts.family = info->family;
  facts.context_length = info->context_length;
  facts.can_complete = true;
  const auto source = read_template_source(location);
  if (!source) {
    facts.problem = source.error();
    return facts;
  }
  facts.can_chat = !source->empty() || !default_template.empty();
  facts.can_call_tools = mentions(*source, {"tools"});
  facts.can_reason = mentions(*source, {"<think>", "enable_thinking", "reasoning_content"});
  return facts;
}

ModelFacts ModelFactsCache::facts(const ModelLocation& location,
                                  const std::string& default_template) {
  const uint64_t state = state_of(found_files(location), default_template);
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(location.path);
    if (found != known_.end() && found->second.state == state) return found->second.facts;
  }
  ModelFacts facts = read_model_facts(location, default_template);
  const std::lock_guard lock(mutex_);
  known_[location.path] = {state, facts};
  return facts;
}

}  // namespace maru::service
