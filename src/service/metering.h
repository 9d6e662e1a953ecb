// One usage row for every admitted request: written before its first token is computed, kept ahead
// of what is given out, closed with what came of it. A thread of its own writes, many rows in one
// transaction; nobody else waits for the disk (docs/metering.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "service/clock.h"
#include "service/limits.h"
#include "service/prices.h"
#include "store/database.h"

namespace maru::service {

enum class Outcome : uint8_t {
  kStop,
  kLength,
  kCancelled,
  kClientLeft,
  kLimit,
  kFailed,
  kInterrupted,  // the program ended before the request did
  kCount,
};
const char* outcome_name(Outcome outcome);  // "client_left"...

// A request as it asks to be let in.
struct Admission {
  std::string id;          // of the answer, unique
  std::string request_id;  // of the HTTP request
  std::string model;
  int64_t tokens_in = 0;
  Spender spender;
  Limits::Pass pass;  // of the spender
};

// The row of one admitted request. Its owner gives out no token before pass() allows it. If it is
// dropped unclosed, the row says that the client left. Thread-safe.
class Meter {
 public:
  enum class Verdict : uint8_t {
    kPass,
    kHold,  // the row is not far enough yet; on_ready is called when it may be
    kOver,  // a limit is reached, or rows can't be written: refusal() says why
  };

  ~Meter();
  // `tokens_out`: all that would have been given out with this.
  Verdict pass(int64_t tokens_out);
  Refusal refusal() const;
  // In millionths of the currency's unit, by the price at which it was let in.
  int64_t cost(const TokenCounts& tokens) const;
  void close(Outcome outcome, const TokenCounts& tokens);
  // The engine refused it after all: there is no row then.
  void discard();

 private:
  friend class Metering;
  struct Entry;
  struct Core;
  Meter(std::shared_ptr<Core> core, std::shared_ptr<Entry> entry);

  std::shared_ptr<Core> core_;
  std::shared_ptr<Entry> entry_;
};

// Called once each, on the writer's thread; must be quick.
struct MeterHandlers {
  std::function<void(Status)> on_opened;  // the row is on the disk, or can't be
  std::function<void()> on_ready;         // may be called again and again
};

struct MeteringOptions {
  size_t max_open = 4096;       // rows; further requests are refused
  int64_t refresh_ms = 2'000;   // how often limits and prices are read anew
  int64_t give_up_ms = 10'000;  // answers end if nothing could be written for so long
  std::function<int64_t()> now = unix_milliseconds;
};

class Metering {
 public:
  // Closes the rows that a crash left open, counts what was used this month, starts the writer.
  // Errors: those of the database.
  static Result<std::shared_ptr<Metering>> start(std::shared_ptr<store::Database> database,
                                                 MeteringOptions options = {});
  ~Metering();  // writes what is left

  // Null with a refusal if a limit forbids it. `handlers` are not called then.
  std::unique_ptr<Meter> admit(const Admission& admission, MeterHandlers handlers,
                               Refusal& refusal);
  Limits& limits();
  int64_t now() const;
  // Reads limits and prices anew, as happens every refresh_ms by itself.
  Status refresh();

 private:
  explicit Metering(std::shared_ptr<Meter::Core> core);
  std::shared_ptr<Meter::Core> core_;
};

}  // namespace maru::service
