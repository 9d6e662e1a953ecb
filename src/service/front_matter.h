// What makers state between two lines "---" at the head of a README.md: "key: value" and
// "key:\n- value" lines, the little of YAML that model cards have there. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace maru::service {

// The values of `key` in order, without quotes; empty if there are none.
std::vector<std::string> front_matter(const std::string& card, std::string_view key);

}  // namespace maru::service
