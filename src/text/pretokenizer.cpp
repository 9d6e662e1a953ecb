#include "text/pretokenizer.h"

#include <algorithm>

#include "text/pretokenizer_scanners.h"
#include "text/unicode.h"

namespace maru::text {
namespace {

class ScannerPattern : public Pattern {
 public:
  explicit ScannerPattern(Scanner scan) : scan_(scan) {}

  void find_all(std::string_view text, std::vector<Piece>& matches) const override {
    const CharClasses& classes = CharClasses::get();
    for (size_t pos = 0; pos < text.size();) {
      const size_t end = scan_(text, pos, classes);
      if (end > pos) {
        matches.push_back({pos, end});
        pos = end;
      } else {
        ++pos;
        while (pos < text.size() && (static_cast<uint8_t>(text[pos]) & 0xC0) == 0x80) ++pos;
      }
    }
  }

 private:
  Scanner scan_;
};

class LiteralPattern : public Pattern {
 public:
  explicit LiteralPattern(std::string literal) : literal_(std::move(literal)) {}

  void find_all(std::string_view text, std::vector<Piece>& matches) const override {
    if (literal_.empty()) return;
    for (size_t at = text.find(literal_); at != std::string_view::npos;
         at = text.find(literal_, at + literal_.size())) {
      matches.push_back({at, at + literal_.size()});
    }
  }

 private:
  std::string literal_;
};

struct Part {
  Piece piece;
  bool is_match;
};

class Split : public PretokenizerStep {
 public:
  Split(std::unique_ptr<Pattern> pattern, SplitBehaviour behaviour, bool invert)
      : pattern_(std::move(pattern)), behaviour_(behaviour), invert_(invert) {}

  void apply(PieceList& list) const override {
    std::vector<Piece> out, matches;
    std::vector<Part> parts;
    for (const Piece& piece : list.pieces) {
      const std::string_view text =
          std::string_view(list.text).substr(piece.begin, piece.end - piece.begin);
      matches.clear();
      pattern_->find_all(text, matches);
      parts.clear();
      size_t end = 0;
      for (const Piece& match : matches) {
        if (match.begin > end) parts.push_back({{end, match.begin}, invert_});
        parts.push_back({match, !invert_});
        end = match.end;
      }
      if (end < text.size()) parts.push_back({{end, text.size()}, invert_});
      merge(parts);
      for (const Part& part : parts) {
        if (part.piece.begin == part.piece.end) continue;
        out.push_back({piece.begin + part.piece.begin, piece.begin + part.piece.end});
      }
    }
    list.pieces = std::move(out);
  }

 private:
  void merge(std::vector<Part>& parts) const {
    switch (behaviour_) {
      case SplitBehaviour::kIsolated: return;
      case SplitBehaviour::kRemoved:
        std::erase_if(parts, [](const Part& part) { return part.is_match; });
        return;
      case SplitBehaviour::kContiguous:
        join(parts, [](const Part& previous, const Part& part) {
          return previous.is_match == part.is_match;
        });
        return;
      case SplitBehaviour::kMergedWithPrevious:
        join(parts, [](const Part& previous, const Part& part) {
          return part.is_match && !previous.is_match;
        });
        return;
      case SplitBehaviour::kMergedWithNext:
        std::reverse(parts.begin(), parts.end());
        join(parts, [](const Part& previous, const Part& part) {
          return part.is_match && !previous.is_match;
        });
        std::reverse(parts.begin(), parts.end());
    }
  }

  // Joins each part to the one before it where `joins(part before it as it was, part)`.
  template <class Joins>
  static void join(std::vector<Part>& parts, Joins joins) {
    std::vector<Part> out;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i > 0 && joins(parts[i - 1], parts[i])) {
        out.back().piece.begin = std::min(out.back().piece.begin, parts[i].piece.begin);
        out.back().piece.end = std::max(out.back().piece.end, parts[i].piece.end);
      } else {
        out.push_back(parts[i]);
      }
    }
    parts = std::move(out);
  }

  std::unique_ptr<Pattern> pattern_;
  SplitBehaviour behaviour_;
  bool invert_;
};

// Rewrites every piece by `rewrite(piece, at_start) -> std::string`.
template <class Rewrite>
void rewrite_pieces(PieceList& list, Rewrite rewrite) {
  std::string text;
  text.reserve(list.text.size() + list.pieces.size());
  for (Piece& piece : list.pieces) {
    const bool at_start = list.at_start && piece.begin == 0;
    const size_t begin = text.size();
    text +=
        rewrite(std::string_view(list.text).substr(piece.begin, piece.end - piece.begin), at_start);
    piece = {begin, text.size()};
  }
  list.text = std::move(text);
}

class PrefixSpace : public PretokenizerStep {
 public:
  void apply(PieceList& list) const override {
    rewrite_pieces(list, [](std::string_view piece, bool) {
      return piece.starts_with(' ') ? std::string(piece) : " " + std::string(piece);
    });
  }
};

class Metaspace : public PretokenizerStep {
 public:
  Metaspace(std::string mark, PrependScheme scheme, bool split)
      : mark_(std::move(mark)), scheme_(scheme) {
    if (split) split_ = make_split(make_literal(mark_), SplitBehaviour::kMergedWithNext, false);
  }

  void apply(PieceList& list) const override {
    rewrite_pieces(list, [this](std::string_view piece, bool at_start) {
      std::string out;
      for (const char c : piece) {
        if (c == ' ') {
          out += mark_;
        } else {
          out += c;
        }
      }
      const bool prepends =
          scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && at_start);
      return prepends && !out.starts_with(mark_) ? mark_ + out : out;
    });
    if (split_ != nullptr) split_->apply(list);
  }

 private:
  std::string mark_;
  PrependScheme scheme_;
  std::unique_ptr<PretokenizerStep> split_;
};

}  // namespace

Result<std::unique_ptr<Pattern>> make_regex(const std::string& expression) {
  if (const Scanner scanner = find_scanner(expression); scanner != nullptr) {
    return std::unique_ptr<Pattern>(std::make_unique<ScannerPattern>(scanner));
  }
  return make_fallback_regex(expression);
}

std::unique_ptr<Pattern> make_literal(std::string text) {
  return std::make_unique<LiteralPattern>(std::move(text));
}

std::unique_ptr<PretokenizerStep> make_split(std::unique_ptr<Pattern> pattern,
                                             SplitBehaviour behaviour, bool invert) {
  return std::make_unique<Split>(std::move(pattern), behaviour, invert);
}

std::unique_ptr<PretokenizerStep> make_digits(bool individual) {
  return make_split(std::make_unique<ScannerPattern>(individual ? scan_digit : scan_digits),
                    SplitBehaviour::kIsolated, false);
}

std::unique_ptr<PretokenizerStep> make_prefix_space() { return std::make_unique<PrefixSpace>(); }

std::unique_ptr<PretokenizerStep> make_metaspace(std::string mark, PrependScheme scheme,
                                                 bool split) {
  return std::make_unique<Metaspace>(std::move(mark), scheme, split);
}

}  // namespace maru::text
