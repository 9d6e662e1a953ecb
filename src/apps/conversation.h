// The messages of one terminal conversation, and the JSON file they are kept in:
// {"model": "...", "messages": [{"role": "...", "content": "..."}, ...]}.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/json_fwd.h"
#include "base/result.h"

namespace maru::apps {

class Conversation {
 public:
  Conversation();
  ~Conversation();
  Conversation(Conversation&&) noexcept;
  Conversation& operator=(Conversation&&) noexcept;

  // Forgets all but the instruction that it starts with.
  void reset();
  // Sets that instruction (empty: none) and resets.
  void set_system(const std::string& text);
  void add(const std::string& role, const std::string& content);
  void drop_last();

  const Json& messages() const { return *messages_; }
  size_t size() const;

  // Errors: those of write_file_atomically.
  Status save(const std::string& path, const std::string& model) const;
  // Replaces all messages, or none on an error. Also takes a bare array of messages. Errors:
  // kNotFound, kInvalidArgument (names the message that is wrong).
  Status load(const std::string& path);

 private:
  std::unique_ptr<Json> messages_;
};

}  // namespace maru::apps
