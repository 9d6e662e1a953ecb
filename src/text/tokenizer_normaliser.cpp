#include "text/tokenizer_normaliser.h"

#include "base/utf8.h"
#include "text/unicode.h"

namespace maru::text {
namespace {

class Nfc : public NormaliserStep {
 public:
  std::string apply(std::string text) const override {
    const CharClasses& classes = CharClasses::get();
    for (size_t pos = 0; pos < text.size();) {
      if (static_cast<uint8_t>(text[pos]) < 0x80) {
        ++pos;
        continue;
      }
      const Utf8Char c = utf8_decode(std::string_view(text).substr(pos));
      if ((classes.of(c.code_point) & kNfcActive) != 0) return normalise_nfc(text);
      pos += c.length;
    }
    return text;
  }
};

class Replace : public NormaliserStep {
 public:
  Replace(std::unique_ptr<Pattern> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  std::string apply(std::string text) const override {
    std::vector<Piece> matches;
    pattern_->find_all(text, matches);
    if (matches.empty()) return text;
    std::string out;
    out.reserve(text.size() + matches.size() * content_.size());
    size_t end = 0;
    for (const Piece& match : matches) {
      out.append(text, end, match.begin - end);
      out += content_;
      end = match.end;
    }
    out.append(text, end);
    return out;
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::string content_;
};

class Prepend : public NormaliserStep {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string apply(std::string text) const override {
    return text.empty() ? text : prefix_ + text;
  }

 private:
  std::string prefix_;
};

class Strip : public NormaliserStep {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  std::string apply(std::string text) const override {
    const CharClasses& classes = CharClasses::get();
    size_t first = std::string::npos, last_end = 0;
    for (size_t pos = 0; pos < text.size();) {
      const Utf8Char c = utf8_decode(std::string_view(text).substr(pos));
      const bool is_space = (classes.of(c.code_point) & kSpace) != 0;
      if (!is_space && first == std::string::npos) first = pos;
      pos += c.length;
      if (!is_space) last_end = pos;
    }
    if (first == std::string::npos) return left_ || right_ ? std::string() : text;
    const size_t begin = left_ ? first : 0;
    return text.substr(begin, (right_ ? last_end : text.size()) - begin);
  }

 private:
  bool left_, right_;
};

}  // namespace

std::unique_ptr<NormaliserStep> make_nfc() { return std::make_unique<Nfc>(); }

std::unique_ptr<NormaliserStep> make_replace(std::unique_ptr<Pattern> pattern,
                                             std::string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

std::unique_ptr<NormaliserStep> make_prepend(std::string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}

std::unique_ptr<NormaliserStep> make_strip(bool left, bool right) {
  return std::make_unique<Strip>(left, right);
}

}  // namespace maru::text
