#include "service/front_matter.h"

namespace maru::service {

std::vector<std::string> front_matter(const std::string& card, std::string_view key) {
  std::vector<std::string> values;
  const auto plain = [](std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\"'[");
    const size_t last = text.find_last_not_of(" \t\r\"']");
    return first == std::string_view::npos ? std::string()
                                           : std::string(text.substr(first, last - first + 1));
  };
  if (!card.starts_with("---")) return values;
  bool is_inside = false;
  for (size_t begin = card.find('\n'); begin != std::string::npos && begin + 1 < card.size();) {
    const size_t end = std::min(card.find('\n', begin + 1), card.size());
    const std::string_view line = std::string_view(card).substr(begin + 1, end - begin - 1);
    begin = end;
    if (line.starts_with("---") || end == card.size()) break;
    const size_t item = line.find_first_not_of(' ');
    if (is_inside && item != std::string_view::npos && line[item] == '-') {
      values.push_back(plain(line.substr(item + 1)));
      continue;
    }
    is_inside = line.starts_with(key) && line.substr(key.size()).starts_with(":");
    if (is_inside) {
      const std::string value = plain(line.substr(key.size() + 1));
      if (!value.empty()) values.push_back(value);
    }
  }
  std::erase(values, "");
  return values;
}

}  // namespace maru::service
