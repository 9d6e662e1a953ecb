// Tables and bars for the terminal: columns as wide as what they show, Korean letters counted as
// the two places they take.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace maru::apps {

// Places that a text takes on a terminal.
size_t display_width(std::string_view text);

// The first row is the head. The first column is set to the left, the others to the right.
std::string print_table(const std::vector<std::vector<std::string>>& rows);

// `value` of `most` as a bar of at most `width` places, in eighths of one.
std::string print_bar(int64_t value, int64_t most, size_t width);

// 1234567 -> "1,234,567"
std::string print_count(int64_t number);

}  // namespace maru::apps
