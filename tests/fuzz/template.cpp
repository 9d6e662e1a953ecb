// Chat templates: compiling and rendering never crash, hang or leak, whatever source and input.
// The data is a source, a zero byte, and the messages as JSON (an empty list when it is not JSON).
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\0'), text.size());
  const auto compiled = maru::text::ChatTemplate::compile(text.substr(0, end));
  if (!compiled) return 0;
  const auto json = maru::parse_json(end < size ? text.substr(end + 1) : "[]");
  const maru::Json messages = json ? *json : maru::Json::array();
  maru::text::TemplateInput input;
  input.messages = &messages;
  input.tools = &messages;
  input.extra = &messages;
  input.bos_token = "<s>";
  maru::text::TemplateLimits limits;
  limits.max_steps = 100'000;
  limits.max_output_bytes = size_t{1} << 20;
  limits.max_memory_bytes = size_t{8} << 20;
  static_cast<void>(compiled->render(input, limits));
  return 0;
}
