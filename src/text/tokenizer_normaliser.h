// Steps that rewrite a text before it is split. Immutable; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/pretokenizer.h"

namespace maru::text {

class NormaliserStep {
 public:
  virtual ~NormaliserStep() = default;
  virtual std::string apply(std::string text) const = 0;  // valid UTF-8 to valid UTF-8
};

std::unique_ptr<NormaliserStep> make_nfc();
std::unique_ptr<NormaliserStep> make_replace(std::unique_ptr<Pattern> pattern, std::string content);
// In front of any text that is not empty.
std::unique_ptr<NormaliserStep> make_prepend(std::string prefix);
// White space at the ends.
std::unique_ptr<NormaliserStep> make_strip(bool left, bool right);

}  // namespace maru::text
