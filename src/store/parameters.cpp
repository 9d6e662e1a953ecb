#include "store/parameters.h"

#include "base/utf8.h"

namespace maru::store {

Status check_parameters(std::span<const Value> parameters) {
  for (const Value& value : parameters) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) continue;
    if (text->find('\0') != std::string::npos || !utf8_is_valid(*text)) {
      return Error{ErrorCode::kInvalidArgument, "a text is not UTF-8, or holds a zero byte",
                   "send valid UTF-8"};
    }
  }
  return {};
}

}  // namespace maru::store
