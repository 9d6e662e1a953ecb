// Text that remembers which of its bytes came from the caller's input. Every string of the template
// interpreter is one of these, so that the mark survives slicing, joining and replacing. Plain
// values; not thread-safe to change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace maru::text::jinja {

struct Span {
  size_t begin;  // bytes, half open
  size_t end;
};

struct Text {
  std::string bytes;          // valid UTF-8
  std::vector<Span> foreign;  // bytes from input: sorted, disjoint, never empty

  static Text trusted(std::string_view bytes) { return Text{std::string(bytes), {}}; }
  static Text from_input(std::string_view bytes);
  bool has_foreign() const { return !foreign.empty(); }
};

// Builds a text piece by piece. Past `max_bytes` it takes nothing more and says overflowed().
class TextBuilder {
 public:
  explicit TextBuilder(size_t max_bytes) : max_bytes_(max_bytes) {}

  void append(std::string_view bytes, bool foreign = false);
  void append(const Text& text) { append(text, 0, text.bytes.size()); }
  // The bytes [begin, end) of `text` with their marks.
  void append(const Text& text, size_t begin, size_t end);
  // Marks everything so far as foreign.
  void mark_all_foreign();

  bool overflowed() const { return overflowed_; }
  size_t size() const { return text_.bytes.size(); }
  Text take() { return std::move(text_); }

 private:
  bool fits(size_t bytes);
  void add_foreign(size_t begin, size_t end);

  Text text_;
  size_t max_bytes_;
  bool overflowed_ = false;
};

Text slice(const Text& text, size_t begin, size_t end);

// Whether any byte of [begin, end) is foreign.
bool foreign_within(const Text& text, size_t begin, size_t end);

// Characters (code points), as Python counts them.
size_t count_characters(std::string_view text);
// The byte at which character `index` starts; the size of `text` when there are fewer.
size_t offset_of_character(std::string_view text, size_t index);

// Python's str.isspace for one character.
bool is_python_space(uint32_t code_point);

// The part of `text` left by Python's strip: bytes [begin, end). `chars` empty pointer: white
// space.
enum class StripSide { kBoth, kLeft, kRight };
Span strip_span(std::string_view text, const std::string_view* chars, StripSide side);

}  // namespace maru::text::jinja
