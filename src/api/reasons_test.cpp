// The reasons that the sources give to errors are those that docs/api/openapi.json lists, with the
// same values; for these the page has its words (web/src/i18n/errors.test.ts).
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"

namespace maru::api {
namespace {

using Reasons = std::map<std::string, std::set<std::string>>;  // names of values, by reason

std::string text_of(const std::string& path) {
  auto text = read_file(path, size_t{1} << 20);
  EXPECT_TRUE(text) << path;
  return text ? std::string(text->begin(), text->end()) : std::string();
}

// What stands in the braces that `begin` is behind.
std::string in_braces(const std::string& text, size_t begin) {
  size_t end = begin;
  for (int depth = 1; end < text.size(); ++end) {
    depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
    if (depth == 0) break;
  }
  return text.substr(begin, end - begin);
}

std::set<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
    found.insert((*at)[1]);
  }
  return found;
}

bool is_of_the_program(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return (name.ends_with(".cpp") || name.ends_with(".h")) && !name.ends_with("_test.cpp");
}

Reasons reasons_of_the_sources() {
  static const std::regex kReason(R"(Reason\{\s*"(\w+)\")"), kValue(R"(\{\s*"(\w+)\"\s*,)");
  Reasons reasons;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(MARU_SOURCE_DIR "/src")) {
    if (!entry.is_regular_file() || !is_of_the_program(entry.path())) continue;
    const std::string text = text_of(entry.path().string());
    for (std::sregex_iterator at(text.begin(), text.end(), kReason), end; at != end; ++at) {
      const auto begin = static_cast<size_t>(at->position() + at->length());
      const std::set<std::string> values = matches(in_braces(text, begin), kValue);
      const auto [known, is_new] = reasons.emplace((*at)[1], values);
      EXPECT_EQ(known->second, values) << known->first << " has other values elsewhere";
    }
  }
  return reasons;
}

Reasons listed_reasons() {
  const auto page = parse_json(text_of(MARU_SOURCE_DIR "/docs/api/openapi.json"));
  if (!page) {
    ADD_FAILURE() << page.error().message;
    return {};
  }
  const Json& schema = (*page)["components"]["schemas"]["ErrorReason"];
  Reasons reasons;
  for (const Json& name : schema["enum"]) {
    auto& values = reasons[name.get<std::string>()];
    if (!schema["x-values"].contains(name.get<std::string>())) continue;
    for (const Json& value : schema["x-values"][name.get<std::string>()]) {
      values.insert(value.get<std::string>());
    }
  }
  return reasons;
}

TEST(Reasons, AreThoseOfTheContract) {
  Reasons told = reasons_of_the_sources();
  EXPECT_GT(told.size(), 100u);
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    told[error_code_name(static_cast<ErrorCode>(code))];
  }
  EXPECT_EQ(listed_reasons(), told)
      << "list it in docs/api/openapi.json (ErrorReason), and give it "
         "its words in web/src/i18n/errors.*.json";
}

// Whoever is refused has to learn why in their language: what people can cause has a reason.
TEST(Reasons, AreGivenToEverythingThatPeopleCanCause) {
  static const std::regex kError(
      R"(\{\s*(ErrorCode::k(?:Unauthenticated|Forbidden|NotFound|Conflict|RateLimited)),)");
  // Not behind the page: the terminal, the start of the server, bundles, /v1 alone.
  const std::set<std::string> others = {"bundle.cpp",
                                        "config.cpp",
                                        "model_store.cpp",

                                        "model_card.cpp",
                                        "file_lock.cpp",
                                        "restore.cpp",
                                        "sqlite_files.cpp",
                                        "embedding.cpp",
                                        "encode.cpp",
                                        "errors.cpp",
                                        "postgresql_error.cpp",
                                        "sqlite_connection.cpp",
                                        "model.cpp",
                                        "pull.cpp",
                                        "audit.cpp"};
  for (const char* layer : {"api", "service", "store"}) {
    const std::string folder = std::string(MARU_SOURCE_DIR "/src/") + layer;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const std::filesystem::path& path = entry.path();
      if (!entry.is_regular_file() || !is_of_the_program(path) ||
          others.contains(path.filename().string())) {
        continue;
      }
      const std::string text = text_of(path.string());
      for (std::sregex_iterator at(text.begin(), text.end(), kError), end; at != end; ++at) {
        const std::string error = in_braces(text, static_cast<size_t>(at->position() + 1));
        const bool has_reason =
            error.find("Reason{") != error.npos || error.find("std::move(reason)") != error.npos;
        EXPECT_TRUE(has_reason) << path.filename() << ": " << error;
      }
    }
  }
}

}  // namespace
}  // namespace maru::api
