#include "service/model_facts.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

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

ModelFacts read_model_facts(const ModelLocation& location, const std::string& default_template) {
  ModelFacts facts;
  for (const FoundFile& file : found_files(location)) {
    facts.file_bytes += file.n_bytes;
    facts.created_unix_seconds =
        std::max(facts.created_unix_seconds, file.written_ns / kNanoseconds);
  }
  const auto info = models::Model::read_info(location.path);
  if (!info) {
    facts.problem = info.error();
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
