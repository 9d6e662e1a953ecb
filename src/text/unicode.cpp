#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/check.h"
#include "base/utf8.h"
#include "text/unicode_additions.h"

namespace maru::text {
namespace {

uint16_t class_of_category(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU: return kUpper;
    case UTF8PROC_CATEGORY_LL: return kLower;
    case UTF8PROC_CATEGORY_LT: return kTitle;
    case UTF8PROC_CATEGORY_LM: return kModifier;
    case UTF8PROC_CATEGORY_LO: return kOtherLetter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return kMark;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return kPunctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return kSymbol;
    default: return 0;
  }
}

uint16_t class_of_addition(uint32_t c) {
  const auto* after = std::upper_bound(
      std::begin(kAssignedSinceUnicode15), std::end(kAssignedSinceUnicode15), c,
      [](uint32_t value, const AssignedRange& range) { return value < range.first; });
  if (after == std::begin(kAssignedSinceUnicode15) || c > std::prev(after)->last) return 0;
  return std::prev(after)->bits;
}

// The property White_Space of Unicode 15.
bool is_white_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// Every code point that has a canonical decomposition, takes part in one, or is reordered among
// marks: a superset of those that make text leave form C. Hangul syllables are in form C already
// and only a following jamo can change them, which is itself in the set.
std::vector<uint32_t> nfc_active_code_points() {
  constexpr int kMaxDecomposition = 8;
  std::vector<uint32_t> active;
  for (uint32_t c = 0xC0; c < 0x30000; ++c) {
    if (c >= 0xAC00 && c <= 0xD7A3) continue;
    if (c >= 0x1160 && c <= 0x11FF) {
      active.push_back(c);  // Hangul vowels and finals
      continue;
    }
    const auto point = static_cast<utf8proc_int32_t>(c);
    const utf8proc_property_t* property = utf8proc_get_property(point);
    if (property->combining_class != 0) active.push_back(c);
    if (property->category == UTF8PROC_CATEGORY_CN) continue;
    std::array<utf8proc_int32_t, kMaxDecomposition> parts{};
    int boundary = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(point, parts.data(), kMaxDecomposition,
                                static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE), &boundary);
    if (count == 1 && parts[0] == point) continue;
    // A composed character stays as it is, unless a mark follows; a singleton or an excluded one
    // changes. What may stand behind a first part is active by itself.
    std::string composed;
    utf8_append(composed, c);
    if (normalise_nfc(composed) != composed) active.push_back(c);
    for (utf8proc_ssize_t i = 1; i < count && i < kMaxDecomposition; ++i) {
      active.push_back(static_cast<uint32_t>(parts[static_cast<size_t>(i)]));
    }
  }
  std::sort(active.begin(), active.end());
  active.erase(std::unique(active.begin(), active.end()), active.end());
  return active;
}

uint16_t combining_class(utf8proc_int32_t point) {
  return static_cast<uint16_t>(utf8proc_get_property(point)->combining_class);
}

// Canonical ordering. utf8proc's own (in utf8proc_map) is quadratic in the length of a run of
// marks, which a hostile text could make a megabyte long.
void sort_marks(std::vector<utf8proc_int32_t>& points) {
  for (size_t begin = 0; begin < points.size();) {
    if (combining_class(points[begin]) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < points.size() && combining_class(points[end]) != 0) ++end;
    // Class, then place, which keeps marks of one class in order.
    std::vector<std::tuple<uint16_t, size_t, utf8proc_int32_t>> marks;
    for (size_t i = begin; i < end; ++i)
      marks.emplace_back(combining_class(points[i]), i, points[i]);
    std::sort(marks.begin(), marks.end());
    for (size_t i = begin; i < end; ++i) points[i] = std::get<2>(marks[i - begin]);
    begin = end;
  }
}

}  // namespace

void CharClasses::add_block(uint32_t first) {
  std::array<uint16_t, 256> block{};
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t c = first + i;
    const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    block[i] =
        category == UTF8PROC_CATEGORY_CN ? class_of_addition(c) : class_of_category(category);
    if (is_white_space(c)) block[i] |= kSpace;
    if (c == '\n' || c == '\r') block[i] |= kLineEnd;
  }
  // Neighbouring blocks are often equal (ideographs, unassigned planes): share the last one.
  if (blocks_.size() < 256 || !std::equal(block.begin(), block.end(), blocks_.end() - 256)) {
    blocks_.insert(blocks_.end(), block.begin(), block.end());
  }
  index_[first >> 8] = static_cast<uint16_t>(blocks_.size() / 256 - 1);
}

CharClasses::CharClasses() {
  for (uint32_t first = 0; first < 0x110000; first += 256) add_block(first);
  for (const uint32_t c : nfc_active_code_points()) {
    blocks_[static_cast<size_t>(index_[c >> 8]) * 256 + (c & 0xFF)] |= kNfcActive;
  }
}

const CharClasses& CharClasses::get() {
  static const CharClasses table;
  return table;
}

namespace {

// Code points of the text, taken apart and in canonical order.
std::vector<utf8proc_int32_t> decompose(std::string_view text, int options) {
  constexpr int kMaxDecomposition = 8;
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = utf8_decode(text);
    text.remove_prefix(c.length);
    std::array<utf8proc_int32_t, kMaxDecomposition> parts{};
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(c.code_point), parts.data(), kMaxDecomposition,
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options), &boundary);
    MARU_CHECK(count >= 0 && count <= kMaxDecomposition);
    points.insert(points.end(), parts.begin(), parts.begin() + count);
  }
  sort_marks(points);
  return points;
}

}  // namespace

std::string normalise_nfd(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const utf8proc_int32_t c : decompose(text, UTF8PROC_DECOMPOSE)) {
    utf8_append(out, static_cast<uint32_t>(c));
  }
  return out;
}

bool is_nonspacing_mark(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point)) == UTF8PROC_CATEGORY_MN;
}

bool is_invisible(uint32_t code_point) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO: return true;
    default: return false;
  }
}

std::string normalise_nfc(std::string_view text) {
  std::vector<utf8proc_int32_t> points = decompose(text, UTF8PROC_COMPOSE);
  const utf8proc_ssize_t size =
      utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  MARU_CHECK(size >= 0);
  std::string out;
  out.reserve(static_cast<size_t>(size));
  for (utf8proc_ssize_t i = 0; i < size; ++i) {
    utf8_append(out, static_cast<uint32_t>(points[static_cast<size_t>(i)]));
  }
  return out;
}

}  // namespace maru::text
