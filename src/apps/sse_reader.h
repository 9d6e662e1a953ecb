// Splits a stream of server-sent events into the data of each (WHATWG HTML, section 9.2), comments
// and other fields left aside. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace maru::apps {

class SseReader {
 public:
  explicit SseReader(std::function<void(std::string_view)> on_data)
      : on_data_(std::move(on_data)) {}

  void push(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      if (line_.ends_with('\r')) line_.pop_back();
      take_line();
      line_.clear();
    }
  }

 private:
  void take_line() {
    constexpr std::string_view kData = "data:";
    if (line_.empty()) {
      if (has_data_) on_data_(data_);
      data_.clear();
      has_data_ = false;
      return;
    }
    if (!line_.starts_with(kData)) return;
    std::string_view value = std::string_view(line_).substr(kData.size());
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }

  std::function<void(std::string_view)> on_data_;
  std::string line_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace maru::apps
