// Inside service only: one answer that is being written, as its writer (the engine's thread), its
// readers and the saver see it. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "service/generation.h"
#include "service/metering.h"
#include "service/runs.h"
#include "store/messages.h"

namespace maru::service {

// Rings when a run has ended, so that it is saved at once.
struct RunBell {
  std::mutex mutex;
  std::condition_variable rung;
  bool is_ringing = false, is_closed = false;

  void ring();
  void close();
  // Waits for the bell, a second at most. False once closed.
  bool wait();
};

class Run {
 public:
  Run(std::string owner, store::Message message, std::shared_ptr<RunBell> bell);

  const std::string& owner() const { return owner_; }
  const std::string& id() const { return id_; }
  const std::string& chat_id() const { return chat_id_; }

  // To be called before the first event.
  void set_meter(std::unique_ptr<Meter> meter, int64_t tokens_in);

  // The engine did not take it: there is no usage.
  void refuse();

  // The engine's side.
  void on_event(const GenerationEvent& event);
  // Gives out what waited for the usage row.
  void go_on();
  // Ends it as "stopped", if it runs.
  void cut();
  void revoke(const Error& reason);
  // Kept until the end.
  void set_watch(std::shared_ptr<void> watch);

  // The id by which the generation is cancelled; none until it is known.
  void set_generation(uint64_t id);
  std::optional<uint64_t> generation() const;

  // The saver's side: from set_stored() on. The message as it is now, if it differs from what was
  // taken before.
  void set_stored(int64_t seq);
  struct Taken {
    store::Message message;
    bool has_ended = false;
    engine::Usage usage = {};
  };
  std::optional<Taken> take();
  void mark_unsaved();  // what was taken could not be written
  // Whether it ended before its generation did; true once.
  bool take_needs_cancel();
  // Tells the readers of the end; to be called once it was saved.
  void announce_end();

  // Calls the listener with what is there. 0: it needs to hear no more.
  uint64_t subscribe(size_t from, RunListener listener);
  void unsubscribe(uint64_t id);

 private:
  bool is_metered(const GenerationEvent& event);
  void give_out(const GenerationEvent& event);
  void end(std::string state, std::string extra, Outcome outcome);
  void tell(const RunEvent& event);
  RunEvent ended_event() const;

  const std::string owner_, id_, chat_id_;
  const std::shared_ptr<RunBell> bell_;
  mutable std::mutex mutex_;
  store::Message message_;
  engine::Usage usage_;
  std::unique_ptr<Meter> meter_;                    // null: not metered
  int64_t n_in_ = 0, n_out_ = 0, n_reasoning_ = 0;  // tokens, of the meter
  std::deque<GenerationEvent> held_;
  std::shared_ptr<void> watch_;
  bool needs_cancel_ = false;
  // When it was asked for, when its first text came, and the last of its thinking.
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::optional<std::chrono::steady_clock::time_point> first_text_, last_thought_;
  bool is_stored_ = false, is_dirty_ = false, has_ended_ = false, is_end_told_ = false;
  std::optional<uint64_t> generation_;
  uint64_t next_listener_ = 1;
  std::map<uint64_t, RunListener> listeners_;
};

// The events of a text that is no longer written.
void replay(const store::Message& message, size_t from, const RunListener& listener);

}  // namespace maru::service
