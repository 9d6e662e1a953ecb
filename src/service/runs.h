// Answers that are being written to chats. A run belongs to the server: it goes on when the page
// goes away, and any number of pages may read along from any place of its text. The text is kept in
// memory and saved to its message every second and at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/engine.h"
#include "service/changes.h"
#include "service/chat_settings.h"
#include "service/clock.h"
#include "service/generation.h"
#include "service/identity.h"
#include "service/metering.h"
#include "service/sign_in.h"
#include "store/messages.h"

namespace maru::service {

struct RunEvent {
  enum class Kind { kText, kEnded };
  Kind kind = Kind::kText;
  size_t offset = 0;  // kText: bytes of the answer before `text`, which is whole characters
  std::string text;
  std::string state;  // kEnded: "complete", "stopped" or "failed"
  std::string extra;  // kEnded: JSON of the message: usage, finish, error
};

// Called in order, on the thread that has the news; must be quick and may not call Runs. False: it
// has had enough (too slow, gone) and is called no more.
using RunListener = std::function<bool(const RunEvent&)>;

// Thread-safe; start() and subscribe() wait for the disk. The destructor stops what runs and saves
// it.
class Runs {
 public:
  // Called at the end of each, on a thread of Runs.
  using OnUsage = std::function<void(const std::string& model, const engine::Usage& usage)>;

  // `metering` may be null: nothing is counted or limited then.
  Runs(std::shared_ptr<store::Database> database, std::shared_ptr<GenerationService> generation,
       std::shared_ptr<Metering> metering, std::shared_ptr<Changes> changes,
       Clock clock = unix_milliseconds);
  ~Runs();

  void on_usage(OnUsage callback);
  // From now on an answer ends when the key or session that asked for it is revoked, ended or
  // expired, or its account disabled.
  void end_with_credentials_of(std::shared_ptr<SignIn> sign_in);

  // The model that would answer, which start() wants loaded: by the settings alone, the branch is
  // read when it is. Errors: kNotFound.
  Result<std::string> model_of(const Identity& identity, const std::string& message_id,
                               const ChatSettings& over);

  // Begins an answer to the branch that ends with `message_id`; what `over` leaves open the chat's
  // settings, its assistant and the person's say, in this order. Gives the new message ("running").
  // `request_id` is the HTTP request's. Errors: kNotFound, kConflict (the branch is still being
  // written), kUnavailable (the model is not loaded), those of GenerationService::start(); if a
  // limit forbids it `refusal` says more.
  Result<store::Message> start(const Identity& identity, const std::string& request_id,
                               const std::string& message_id, const ChatSettings& over,
                               Refusal& refusal);
  // Goes on with an answer that was cut (stopped, failed, at its limit of tokens), in its own
  // words. Gives the message ("running"). Errors: those of start(); kInvalidArgument (it is whole).
  Result<store::Message> go_on(const Identity& identity, const std::string& request_id,
                               const std::string& message_id, const ChatSettings& over,
                               Refusal& refusal);
  // What was written stays. An answer that has ended is left alone. Errors: kNotFound.
  Status stop(const std::string& owner, const std::string& message_id);
  // All of the person; to be called before things are deleted.
  void stop_all(const std::string& owner, const std::string& chat_id = {});

  // First the text from byte `from` on, then what comes, until kEnded. The listener is called with
  // what is there before this returns, and nothing is lost or doubled in between. A place inside a
  // character is moved to its beginning, one behind the text to 0: the text of an event replaces
  // what a reader has from its offset on. Ends when the result is dropped (the listener may still
  // be running then). Errors: kNotFound.
  Result<std::shared_ptr<void>> subscribe(const std::string& owner, const std::string& message_id,
                                          size_t from, RunListener listener);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace maru::service
