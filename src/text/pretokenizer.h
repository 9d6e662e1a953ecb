// Splits a text into the words that BPE works on, as a list of steps. Known regular expressions run
// as hand-written scanners, others on PCRE2. Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace maru::text {

// Bytes [begin, end) of a text.
struct Piece {
  size_t begin, end;
};

struct PieceList {
  std::string text;           // valid UTF-8
  std::vector<Piece> pieces;  // in order, not empty; gaps are text that was removed
  bool at_start = true;       // the list begins where the whole text begins
};

// Finds all matches in a text, from left to right, none overlapping.
class Pattern {
 public:
  virtual ~Pattern() = default;
  // Appends matches with offsets into `text` (valid UTF-8).
  virtual void find_all(std::string_view text, std::vector<Piece>& matches) const = 0;
};

// By a hand-written scanner if there is one for exactly this expression, else by PCRE2 with
// Oniguruma's meaning of \s and \h and with match limits (a text that exceeds them is not split
// further). Errors: kInvalidArgument, with the expression and the place.
Result<std::unique_ptr<Pattern>> make_regex(const std::string& expression);
// The same, never by a scanner (what the scanners are tested against).
Result<std::unique_ptr<Pattern>> make_fallback_regex(const std::string& expression);
std::unique_ptr<Pattern> make_literal(std::string text);

// What Hugging Face's tokenizers call "behavior": what becomes of a match between two pieces.
enum class SplitBehaviour {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous
};

class PretokenizerStep {
 public:
  virtual ~PretokenizerStep() = default;
  virtual void apply(PieceList& list) const = 0;
};

// `invert`: the text between the matches takes the part of the matches.
std::unique_ptr<PretokenizerStep> make_split(std::unique_ptr<Pattern> pattern,
                                             SplitBehaviour behaviour, bool invert);
// Every number character for itself, or runs of them.
std::unique_ptr<PretokenizerStep> make_digits(bool individual);
// Puts a space before each piece that does not start with one.
std::unique_ptr<PretokenizerStep> make_prefix_space();

enum class PrependScheme { kAlways, kFirst, kNever };
// Writes spaces as `mark`, puts one in front, and splits before each.
std::unique_ptr<PretokenizerStep> make_metaspace(std::string mark, PrependScheme scheme,
                                                 bool split);

}  // namespace maru::text
