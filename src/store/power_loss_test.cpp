// Power fails at random moments, on a disk that loses what was not synced and tears what was being
// written (store/testing/crash_vfs.h). After each: the file is whole, and holds exactly what was
// acknowledged, or that and the one transaction that was under way.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>

#include "store/sqlite.h"
#include "store/sqlite_connection.h"
#include "store/testing/crash_vfs.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

using testing::CrashVfs;
using Random = std::mt19937_64;
using State = std::map<int64_t, std::string>;  // what the table holds: id and bytes
using Write = std::function<Status(const std::function<Status(Transaction&)>&)>;

constexpr const char* kPath = "/maru.db";

int n_traces(int n_short, int n_long) {
  const char* is_long = std::getenv("MARU_LONG");
  return is_long != nullptr && std::string(is_long) == "1" ? n_long : n_short;
}

struct Outcome {
  State acknowledged;
  std::optional<State> under_way;  // what would hold if the failed transaction had been written
};

std::string random_bytes(Random& random) {
  const size_t n = random() % 4 == 0 ? random() % 20000 : random() % 300;
  std::string bytes(n, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// Adds, changes and removes up to six rows.
Status change_some(Transaction& t, State& state, Random& random) {
  const int n = 1 + static_cast<int>(random() % 6);
  for (int i = 0; i < n; ++i) {
    const auto id = static_cast<int64_t>(random() % 60);
    if (!state.contains(id)) {
      const std::string bytes = random_bytes(random);
      MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id, n, t, b) VALUES (?, ?, ?, ?)",
                                     {id, id * 7, "name " + std::to_string(id), Blob{bytes}}));
      state[id] = bytes;
    } else if (random() % 3 == 0) {
      MARU_RETURN_IF_ERROR(t.execute("DELETE FROM things WHERE id = ?", {id}));
      state.erase(id);
    } else {
      const std::string bytes = random_bytes(random);
      MARU_RETURN_IF_ERROR(t.execute("UPDATE things SET b = ? WHERE id = ?", {Blob{bytes}, id}));
      state[id] = bytes;
    }
  }
  return {};
}

// Writes until the power fails, or up to `n` transactions.
void write_some(const Write& write, Outcome& outcome, Random& random, int n) {
  for (int i = 0; i < n; ++i) {
    State next = outcome.acknowledged;
    const Status status = write([&](Transaction& t) { return change_some(t, next, random); });
    if (!status) {
      outcome.under_way = next;
      return;
    }
    outcome.acknowledged = next;
  }
}

Result<State> read_state(Transaction& t) {
  MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT id, b, n, t FROM things ORDER BY t"));
  State state;
  for (const Row& row : rows) {
    state[row.integer(0)] = row.blob(1);
    EXPECT_EQ(row.integer(2), row.integer(0) * 7);
    EXPECT_EQ(row.text(3), "name " + std::to_string(row.integer(0)));
  }
  return state;
}

SqliteOptions options_of(const CrashVfs& disk, Random& random) {
  return {.n_readers = 1,
          .vfs = disk.name(),
          .migrations = testing::kSampleMigrations,
          .checkpoint_pages = 4 << (random() % 6)};
}

// One life of the program: opens, writes, sometimes closes and opens again.
void live(CrashVfs& disk, Outcome& outcome, Random& random) {
  const int n_openings = 1 + static_cast<int>(random() % 3);
  for (int i = 0; i < n_openings && !disk.has_failed(); ++i) {
    auto database = open_sqlite(kPath, options_of(disk, random));
    if (!database) {
      EXPECT_TRUE(disk.has_failed()) << database.error().to_string();
      return;
    }
    write_some([&](const auto& work) { return (*database)->write(work); }, outcome, random,
               static_cast<int>(random() % 25));
    if (outcome.under_way) {
      EXPECT_TRUE(disk.has_failed());
      return;
    }
  }
}

// Power comes back: the file must be whole and hold one of the two states, which it returns.
State recover(CrashVfs& disk, const Outcome& outcome, Random& random, uint64_t seed) {
  auto database = open_sqlite(kPath, options_of(disk, random));
  if (!database) {
    ADD_FAILURE() << "seed " << seed << ": " << database.error().to_string();
    return outcome.acknowledged;
  }
  const Status checked = (*database)->verify();
  EXPECT_TRUE(checked) << "seed " << seed << ": " << checked.error().to_string();
  State found;
  const Status status = (*database)->read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(found, read_state(t));
    return {};
  });
  EXPECT_TRUE(status) << "seed " << seed << ": " << status.error().to_string();
  EXPECT_TRUE(found == outcome.acknowledged || (outcome.under_way && found == *outcome.under_way))
      << "seed " << seed << ": " << found.size() << " rows, acknowledged were "
      << outcome.acknowledged.size();
  return found;
}

// Failures early (while tables are made), in the middle, and late (during checkpoints).
uint64_t random_moment(Random& random) { return random() % (uint64_t{1} << (2 + random() % 10)); }

TEST(PowerLoss, NothingAcknowledgedIsLost) {
  int n_failed = 0, n_half_done = 0, n_written_unacknowledged = 0;
  const int n = n_traces(300, 10000);
  for (int trace = 0; trace < n && !HasFailure(); ++trace) {
    const auto seed = static_cast<uint64_t>(trace);
    Random random(seed);
    CrashVfs disk;
    disk.make_file(kPath);
    State state;
    const int n_lives = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < n_lives && !HasFailure(); ++i) {
      Outcome outcome{state, std::nullopt};
      disk.fail_after(random_moment(random));
      live(disk, outcome, random);
      n_failed += disk.has_failed() ? 1 : 0;
      n_half_done += outcome.under_way ? 1 : 0;
      disk.lose_power(random);
      state = recover(disk, outcome, random, seed);
      n_written_unacknowledged += state != outcome.acknowledged ? 1 : 0;
    }
  }
  // The failures came at moments that matter.
  EXPECT_GT(n_failed, n);
  EXPECT_GT(n_half_done, n / 2);
  EXPECT_GT(n_written_unacknowledged, 0);
  RecordProperty("traces", n);
  RecordProperty("power_failures", n_failed);
}

// The same, but with commits that are not synced: it must lose something, or this test is blind.
TEST(PowerLoss, WithoutSyncsTheTestSeesTheLoss) {
  int n_lost = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    CrashVfs disk;
    disk.make_file(kPath);
    ASSERT_TRUE(open_sqlite(kPath, options_of(disk, random)));
    Outcome outcome;
    {
      auto connection = SqliteConnection::open(kPath, {.vfs = disk.name()});
      ASSERT_TRUE(connection);
      ASSERT_TRUE((*connection)->run("PRAGMA synchronous = NORMAL"));
      disk.fail_after(60 + random() % 200);
      write_some([&](const auto& work) { return (*connection)->transact("BEGIN IMMEDIATE", work); },
                 outcome, random, 50);
    }
    disk.lose_power(random);
    auto database = open_sqlite(kPath, options_of(disk, random));
    ASSERT_TRUE(database);
    State found;
    ASSERT_TRUE((*database)->read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(found, read_state(t));
      return {};
    }));
    if (found != outcome.acknowledged && found != outcome.under_way) ++n_lost;
  }
  EXPECT_GT(n_lost, 10);
}

}  // namespace
}  // namespace maru::store
