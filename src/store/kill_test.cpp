// kill -9 under load: a process of three writers and a reader says which rows were acknowledged and
// is killed at a random moment; then every one of them must be there, and the file whole.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "store/testing/fresh_store.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

constexpr int kWriters = 3;

int n_kills() {
  const char* is_long = std::getenv("MARU_LONG");
  return is_long != nullptr && std::string(is_long) == "1" ? 500 : 20;
}

std::string content_of(int64_t id) {
  return std::string(static_cast<size_t>(id % 997) + 1, static_cast<char>('a' + id % 26));
}

// A thing and its two parts: all three are there, or none.
Status add_thing(Database& database, int64_t id) {
  return database.write([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(
        t.execute("INSERT INTO things (id, b) VALUES (?, ?)", {id, Blob{content_of(id)}}));
    MARU_RETURN_IF_ERROR(
        t.execute("INSERT INTO parts (thing, place) VALUES (?, 0), (?, 1)", {id, id}));
    return {};
  });
}

// What the process does until it is killed. Ids are first, first + 1, ...: writer w takes every
// kWriters-th. An acknowledged id goes into the pipe, whole (8 bytes are written at once).
[[noreturn]] void run_load(const std::string& location, int64_t first, int pipe) {
  auto database = is_postgresql_url(location)
                      ? open_postgresql(location, {.migrations = testing::kSampleMigrations})
                      : open_sqlite(location, {.migrations = testing::kSampleMigrations,
                                               .checkpoint_pages = 50});
  if (!database) ::_exit(10);
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&, w] {
      for (int64_t id = first + w;; id += kWriters) {
        if (!add_thing(**database, id)) ::_exit(11);
        if (::write(pipe, &id, sizeof(id)) != sizeof(id)) ::_exit(12);
      }
    });
  }
  while (true) {
    const Status status = (*database)->read([](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.query("SELECT count(*) FROM parts"));
      return {};
    });
    if (!status) ::_exit(13);
  }
}

struct Kill {
  std::vector<int64_t> acknowledged;
  int status;  // of waitpid
};

Kill kill_under_load(const std::string& location, int64_t first, int microseconds) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    run_load(location, first, ends[1]);
  }
  ::close(ends[1]);
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    ::kill(pid, SIGKILL);
  });
  Kill kill{};
  int64_t id = 0;
  while (::read(ends[0], &id, sizeof(id)) == sizeof(id)) kill.acknowledged.push_back(id);
  killer.join();
  ::close(ends[0]);
  ::waitpid(pid, &kill.status, 0);
  return kill;
}

// The ids that are there; each with its content and both parts.
std::set<int64_t> ids_of(Database& database) {
  std::set<int64_t> ids;
  const Status status = database.read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto rows,
                          t.query("SELECT id, b, (SELECT count(*) FROM parts WHERE thing = id) "
                                  "FROM things"));
    for (const Row& row : rows) {
      ids.insert(row.integer(0));
      EXPECT_EQ(row.blob(1), content_of(row.integer(0)));
      EXPECT_EQ(row.integer(2), 2);
    }
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
  return ids;
}

TEST(Kill, NothingAcknowledgedIsLost) {
  testing::FreshDatabase store;
  // Until the process has connected.
  const int least = store.dialect() == Dialect::kPostgresql ? 50'000 : 3000;
  {
    ASSERT_TRUE(store.open(testing::kSampleMigrations));
  }
  std::mt19937 random(5);
  std::set<int64_t> expected;
  size_t n_unacknowledged = 0;
  for (int i = 0; i < n_kills() && !HasFailure(); ++i) {
    const int64_t first = expected.empty() ? 1 : *expected.rbegin() + 1;
    const Kill kill =
        kill_under_load(store.location(), first, least + static_cast<int>(random() % 100000));
    ASSERT_TRUE(WIFSIGNALED(kill.status)) << "it ended by itself: " << WEXITSTATUS(kill.status);
    expected.insert(kill.acknowledged.begin(), kill.acknowledged.end());
    auto database = store.open(testing::kSampleMigrations);
    ASSERT_TRUE(database) << database.error().to_string();
    // A server may still be busy with what the killed process said last: waits for its turn.
    ASSERT_TRUE((*database)->write([](Transaction&) { return Status(); }));
    const Status checked = (*database)->verify();
    EXPECT_TRUE(checked) << checked.error().to_string();
    const std::set<int64_t> found = ids_of(**database);
    for (const int64_t id : expected) ASSERT_TRUE(found.contains(id)) << "lost " << id;
    // Written, but killed before it could say so: at most one of each writer.
    EXPECT_LE(found.size() - expected.size(), static_cast<size_t>(kWriters));
    n_unacknowledged += found.size() - expected.size();
    expected = found;
  }
  EXPECT_GT(expected.size(), static_cast<size_t>(n_kills()) * 5);
  RecordProperty("rows", static_cast<int>(expected.size()));
  RecordProperty("unacknowledged", static_cast<int>(n_unacknowledged));
}

}  // namespace
}  // namespace maru::store
