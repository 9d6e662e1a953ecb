// Reads lines from a person: editing and history on a terminal (libedit), plain lines from a pipe.
#pragma once

#include <memory>
#include <string>

namespace maru::apps {

struct LineRead {
  enum class Outcome { kLine, kInterrupted, kEnd };
  Outcome outcome = Outcome::kEnd;
  std::string line;  // without its end
};

// Not thread-safe. watch_interrupts() must have been called.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The prompt is shown on a terminal only.
  LineRead read(const std::string& prompt);
  // Makes a line reachable by the arrow keys.
  void remember(const std::string& line);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace maru::apps
