// The texts of tests/cases/tokenizer/corpus.json and the random ones that
// tools/oracle/make_tokenizer_goldens.py makes too, with the hash of their ids.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace maru::text::golden {

inline constexpr uint64_t kNLines = 50;  // in a chunk

inline Json read_case(const std::string& name) {
  const std::string path = std::string(MARU_SOURCE_DIR) + "/tests/cases/tokenizer/" + name;
  const auto text = read_file(path, size_t{16} << 20);
  EXPECT_TRUE(text.has_value()) << path;
  auto json = parse_json(text.has_value() ? *text : "null");
  EXPECT_TRUE(json.has_value()) << path;
  return json.has_value() ? *json : Json();
}

inline std::string folder_of(const char* variable) {
  const char* folder = std::getenv(variable);
  return folder == nullptr ? "" : folder;
}

// The generator of tools/oracle/make_tokenizer_goldens.py.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t n) {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % n;
  }

 private:
  uint64_t state_;
};

using Alphabets = std::vector<std::vector<std::string>>;

inline Alphabets read_alphabets(const Json& corpus) {
  Alphabets out;
  for (const Json& alphabet : corpus["alphabets"]) {
    auto& characters = out.emplace_back();
    const std::string all = alphabet.get<std::string>();
    for (std::string_view rest = all; !rest.empty();) {
      const size_t length = utf8_decode(rest).length;
      characters.emplace_back(rest.substr(0, length));
      rest.remove_prefix(length);
    }
  }
  return out;
}

inline std::string random_line(Random& random, const Alphabets& alphabets) {
  std::string line;
  for (uint64_t parts = 1 + random.below(14); parts > 0; --parts) {
    const auto& alphabet = alphabets[random.below(alphabets.size())];
    for (uint64_t n = 1 + random.below(8); n > 0; --n)
      line += alphabet[random.below(alphabet.size())];
    if (random.below(3) == 0) line += ' ';
  }
  if (random.below(8) == 0) {
    const size_t at = random.below(line.size() + 1);
    line.insert(at, 1, static_cast<char>(random.below(256)));
  }
  return line;
}

inline std::vector<TokenId> random_ids(Random& random, uint64_t n_tokens,
                                       std::optional<TokenId> first_byte_token) {
  std::vector<TokenId> ids;
  for (uint64_t n = 1 + random.below(24); n > 0; --n) {
    if (first_byte_token.has_value() && random.below(3) == 0) {
      ids.push_back(*first_byte_token + static_cast<TokenId>(random.below(256)));
    } else {
      ids.push_back(static_cast<TokenId>(random.below(n_tokens)));
    }
  }
  return ids;
}

// FNV-1a over counted lists.
class Hash {
 public:
  void add_ids(const std::vector<TokenId>& ids) {
    add_int(static_cast<int32_t>(ids.size()));
    for (const TokenId id : ids) add_int(id);
  }
  void add_text(const std::string& text) {
    add_int(static_cast<int32_t>(text.size()));
    for (const char c : text) add_byte(static_cast<uint8_t>(c));
  }
  std::string hex() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value_));
    return text;
  }

 private:
  void add_int(int32_t value) {
    for (int shift = 0; shift < 32; shift += 8) add_byte(static_cast<uint8_t>(value >> shift));
  }
  void add_byte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001B3; }
  uint64_t value_ = 0xCBF29CE484222325;
};

inline std::vector<std::string> read_texts(const Json& corpus) {
  std::vector<std::string> texts;
  for (const Json& group : corpus["texts"]) {
    for (const Json& text : group) texts.push_back(text.get<std::string>());
  }
  for (const Json& hex : corpus["bytes"]) {
    const std::string digits = hex.get<std::string>();
    std::string bytes;
    for (size_t i = 0; i < digits.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
    }
    texts.push_back(bytes);
  }
  for (const Json& text : corpus["special"]) texts.push_back(text.get<std::string>());
  return texts;
}

}  // namespace maru::text::golden
