#include "text/search_words.h"

#include "base/utf8.h"
#include "text/letter_case.h"
#include "text/unicode.h"

namespace maru::text {
namespace {

constexpr size_t kLongestWord = 64, kMostTerms = 16;

enum class Script { kNone, kSpaced, kPaired };

bool is_paired(uint32_t c) {
  return (c >= 0x1100 && c <= 0x11FF) ||  // Hangul letters
         (c >= 0x3040 && c <= 0x30FF) ||  // Hiragana, Katakana
         (c >= 0x3130 && c <= 0x318F) ||  // Hangul compatibility letters
         (c >= 0x3400 && c <= 0x4DBF) ||  // Han
         (c >= 0x4E00 && c <= 0x9FFF) ||  // Han
         (c >= 0xAC00 && c <= 0xD7FF) ||  // Hangul syllables
         (c >= 0xF900 && c <= 0xFAFF) ||  // Han, compatibility
         (c >= 0x20000 && c <= 0x3FFFF);  // Han, later extensions
}

Script script_of(uint32_t c) {
  constexpr uint16_t kInWords = kLetter | kMark | kNumber;
  if ((CharClasses::get().of(c) & kInWords) == 0) return Script::kNone;
  return is_paired(c) ? Script::kPaired : Script::kSpaced;
}

// Calls visit(script, letters) for each run of letters of one kind, in lower case.
template <class Visit>
void for_each_run(std::string_view text, const Visit& visit) {
  const std::string normal = normalise_nfc(utf8_sanitise(text));
  std::vector<std::string> letters;
  Script running = Script::kNone;
  auto end_run = [&] {
    if (!letters.empty()) visit(running, letters);
    letters.clear();
  };
  for (std::string_view rest = normal; !rest.empty();) {
    const Utf8Char c = utf8_decode(rest);
    rest.remove_prefix(c.length);
    const Script script = script_of(c.code_point);
    if (script != running) end_run();
    running = script;
    if (script == Script::kNone) continue;
    append_lower(letters.emplace_back(), c.code_point);
  }
  end_run();
}

std::string join(const std::vector<std::string>& letters) {
  std::string word;
  for (size_t i = 0; i < letters.size() && i < kLongestWord; ++i) word += letters[i];
  return word;
}

void append_pairs(const std::vector<std::string>& letters, std::vector<std::string>& words) {
  for (size_t i = 0; i + 1 < letters.size(); ++i) words.push_back(letters[i] + letters[i + 1]);
}

}  // namespace

std::vector<std::string> search_words(std::string_view text) {
  std::vector<std::string> words;
  for_each_run(text, [&](Script script, const std::vector<std::string>& letters) {
    if (script == Script::kSpaced) {
      words.push_back(join(letters));
      return;
    }
    append_pairs(letters, words);
    words.push_back(letters.back());
  });
  return words;
}

std::vector<SearchTerm> search_terms(std::string_view query) {
  std::vector<SearchTerm> terms;
  for_each_run(query, [&](Script script, const std::vector<std::string>& letters) {
    if (terms.size() == kMostTerms) return;
    SearchTerm& term = terms.emplace_back();
    if (script == Script::kPaired && letters.size() > 1) {
      append_pairs(letters, term.words);
    } else {
      term.words.push_back(join(letters));
      term.is_prefix = true;
    }
  });
  return terms;
}

}  // namespace maru::text
