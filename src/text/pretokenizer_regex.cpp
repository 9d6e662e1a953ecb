// Regular expressions without a scanner, on PCRE2. The only file that knows PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "text/pretokenizer.h"

namespace maru::text {
namespace {

constexpr uint32_t kMatchLimit = 5'000'000;  // steps of one match
constexpr uint32_t kHeapLimitKib = 65'536;

// Oniguruma, for which tokenizers' expressions are written, means White_Space by \s. PCRE2 also
// counts U+180E.
constexpr std::string_view kSpaceSet =
    R"(\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kNotSpaceSet =
    R"(\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF})"
    R"(\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";

// Rewrites the escapes that mean something else in PCRE2.
std::string from_oniguruma(std::string_view expression) {
  std::string out;
  bool in_class = false;
  const auto put_set = [&](std::string_view set) {
    out += in_class ? std::string(set) : "[" + std::string(set) + "]";
  };
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (c != '\\' || i + 1 == expression.size()) {
      out += c;
      continue;
    }
    const char escaped = expression[++i];
    switch (escaped) {
      case 's': put_set(kSpaceSet); break;
      case 'S': put_set(kNotSpaceSet); break;
      case 'h': put_set("0-9A-Fa-f"); break;
      default: out += c; out += escaped;
    }
  }
  return out;
}

class Pcre2Pattern : public Pattern {
 public:
  static Result<std::unique_ptr<Pattern>> compile(const std::string& expression) {
    const std::string translated = from_oniguruma(expression);
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_code* compiled =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (compiled == nullptr) {
      std::array<PCRE2_UCHAR, 256> message{};
      pcre2_get_error_message(code, message.data(), message.size());
      return Error{ErrorCode::kInvalidArgument,
                   "regular expression \"" + expression +
                       "\" is not supported: " + reinterpret_cast<const char*>(message.data()) +
                       " near byte " + std::to_string(offset) + " of its translation",
                   "look-behind of variable length and Oniguruma's absent operators have no match"};
    }
    return std::unique_ptr<Pattern>(new Pcre2Pattern(compiled));
  }

  ~Pcre2Pattern() override {
    pcre2_match_context_free(limits_);
    pcre2_code_free(compiled_);
  }
  Pcre2Pattern(const Pcre2Pattern&) = delete;
  Pcre2Pattern& operator=(const Pcre2Pattern&) = delete;

  void find_all(std::string_view text, std::vector<Piece>& matches) const override {
    pcre2_match_data* data = pcre2_match_data_create_from_pattern(compiled_, nullptr);
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    for (size_t pos = 0; pos <= text.size();) {
      // A negative result is the end: no match, or a limit, behind which nothing is split.
      if (pcre2_match(compiled_, subject, text.size(), pos, PCRE2_NO_UTF_CHECK, data, limits_) <
          0) {
        break;
      }
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
      const Piece match{range[0], range[1]};
      if (match.end < match.begin) break;  // \K in a look-ahead
      const bool repeats =
          match.begin == match.end && !matches.empty() && matches.back().end == match.end;
      if (!repeats) matches.push_back(match);
      pos = match.end;
      if (match.begin == match.end) {
        ++pos;
        while (pos < text.size() && (static_cast<uint8_t>(text[pos]) & 0xC0) == 0x80) ++pos;
      }
    }
    pcre2_match_data_free(data);
  }

 private:
  explicit Pcre2Pattern(pcre2_code* compiled)
      : compiled_(compiled), limits_(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(limits_, kMatchLimit);
    pcre2_set_heap_limit(limits_, kHeapLimitKib);
  }

  pcre2_code* compiled_;
  pcre2_match_context* limits_;
};

}  // namespace

Result<std::unique_ptr<Pattern>> make_fallback_regex(const std::string& expression) {
  return Pcre2Pattern::compile(expression);
}

}  // namespace maru::text
