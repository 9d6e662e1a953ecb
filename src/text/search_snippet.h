// The place of a found text that shows why it was found. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "text/search_words.h"

namespace maru::text {

// Whole characters, normalised (NFC), white space and control characters as single spaces.
struct SearchSnippet {
  std::string before, match, after;
  bool is_cut_before = false, is_cut_after = false;  // the text goes on there
};

// Around the first place where one of `terms` stands, or the beginning, with an empty match, if
// none does. At most `n_around` characters on either side.
SearchSnippet search_snippet(std::string_view text, std::span<const SearchTerm> terms,
                             size_t n_around);

}  // namespace maru::text
