#include "apps/table.h"

#include <algorithm>
#include <cmath>
#include <cwchar>

namespace maru::apps {

size_t display_width(std::string_view text) {
  size_t width = 0;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t letter = 0;
    const size_t n = std::mbrtowc(&letter, text.data(), text.size(), &state);
    if (n == 0 || n > text.size()) return width + text.size();  // no text of this locale
    width += static_cast<size_t>(std::max(0, wcwidth(letter)));
    text.remove_prefix(n);
  }
  return width;
}

std::string print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string gap(widths[i] - display_width(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (i == 0 ? row[i] + gap : gap + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string print_bar(int64_t value, int64_t most, size_t width) {
  constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (most <= 0 || value <= 0) return "";
  const double share = static_cast<double>(value) / static_cast<double>(most);
  const auto eighths = static_cast<size_t>(std::lround(share * static_cast<double>(width) * 8.0));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

std::string print_count(int64_t number) {
  std::string text = std::to_string(number);
  const size_t first = text.front() == '-' ? 1 : 0;
  for (size_t i = text.size(); i > first + 3;) {
    i -= 3;
    text.insert(i, ",");
  }
  return text;
}

}  // namespace maru::apps
