// Text as words to be found again by: the same for every index that holds them. Letters in lower
// case, normalised (NFC); punctuation and spaces separate. Scripts that write words without spaces
// between their parts (Hangul with its particles, Han, Kana) give overlapping pairs of letters, so
// that "회의" is found in "주간회의록을". Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace maru::text {

// In the order of the text. A run of paired letters gives its pairs and its last letter alone;
// other words longer than 64 letters are cut. `text` may be any bytes.
std::vector<std::string> search_words(std::string_view text);

// One word of a query: the words that must stand one behind the other.
struct SearchTerm {
  std::vector<std::string> words;
  bool is_prefix = false;  // the last one need only begin so
};

// All of them must be found. Empty if the query has no letter and no number. At most 16 terms.
std::vector<SearchTerm> search_terms(std::string_view query);

}  // namespace maru::text
