// Scanners: hand-written matchers of the regular expressions that well-known tokenizers split by.
// Pure functions.
#pragma once

#include <string_view>

#include "text/unicode.h"

namespace maru::text {

// The end of the match that starts at text[begin], or `begin` if none does. `text` is valid UTF-8
// and begin < text.size().
using Scanner = size_t (*)(std::string_view text, size_t begin, const CharClasses& classes);

// The scanner of exactly this expression; null if there is none.
Scanner find_scanner(std::string_view expression);

// \p{N} and \p{N}+
size_t scan_digit(std::string_view text, size_t begin, const CharClasses& classes);
size_t scan_digits(std::string_view text, size_t begin, const CharClasses& classes);

// The expressions of the families, as their tokenizer.json spells them.
extern const std::string_view kGpt2Regex;
extern const std::string_view kLlama3Regex;
extern const std::string_view kQwen2Regex;
extern const std::string_view kO200kRegex;
extern const std::string_view kDeepseekNumberRegex;
extern const std::string_view kDeepseekIdeographRegex;
extern const std::string_view kDeepseekRegex;

}  // namespace maru::text
