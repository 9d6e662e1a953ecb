#include "net/target.h"

#include <cstdint>
#include <utility>

#include "base/utf8.h"
#include "net/http.h"

namespace maru::net {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error bad_target(const char* what) {
  return Error{ErrorCode::kInvalidArgument, std::string("the request target ") + what,
               "send a path such as /v1/models"};
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

Result<Target> parse_target(std::string_view target) {
  Target result;
  if (target == "*") {  // OPTIONS *
    result.path = "*";
    return result;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() >= scheme.size() &&
        equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      const size_t end = std::min(target.find_first_of("/?"), target.size());
      result.authority = std::string(target.substr(0, end));
      if (result.authority.empty()) return bad_target("names no host");
      target.remove_prefix(end);
      break;
    }
  }
  if (!result.authority.empty() && (target.empty() || target[0] == '?')) {
    result.path = "/";
  } else if (target.empty() || target[0] != '/') {
    return bad_target("is not a path");
  }
  const size_t question = target.find('?');
  if (question != std::string_view::npos) result.query = std::string(target.substr(question + 1));
  if (result.path.empty()) {
    std::optional<std::string> path = percent_decode(target.substr(0, question));
    if (!path) return bad_target("has a broken percent escape");
    result.path = *std::move(path);
  }
  for (const char c : result.path) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) return bad_target("has a control character");
  }
  if (!utf8_is_valid(result.path)) return bad_target("is not UTF-8");
  return result;
}

}  // namespace maru::net
