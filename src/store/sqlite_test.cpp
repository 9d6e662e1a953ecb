// What is SQLite's own: files, rights, copies, damage.
#include "store/sqlite.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "store/file_lock.h"
#include "store/testing/fresh_store.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

namespace fs = std::filesystem;
using testing::FreshSqlite;
using testing::kFirstOnly;
using testing::kSampleMigrations;

std::unique_ptr<Database> open_or_die(FreshSqlite& store) {
  auto opened = store.open(kSampleMigrations);
  EXPECT_TRUE(opened) << opened.error().to_string();
  return std::move(opened).value();
}

Status add_things(Database& database, int64_t first, int64_t n) {
  return database.write([&](Transaction& t) -> Status {
    for (int64_t id = first; id < first + n; ++id) {
      MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id, n, t) VALUES (?, ?, ?)",
                                     {id, id, "thing number " + std::to_string(id)}));
    }
    return {};
  });
}

int64_t count_things(const Database& database) {
  int64_t n = -1;
  const Status status = database.read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT count(*) FROM things"));
    n = rows[0].integer(0);
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
  return n;
}

std::vector<std::string> files_with(const FreshSqlite& store, const std::string& part) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(store.folder().path("data"))) {
    if (entry.path().filename().string().find(part) != std::string::npos) {
      found.push_back(entry.path());
    }
  }
  return found;
}

mode_t rights(const std::string& path) {
  struct stat found = {};
  EXPECT_EQ(::stat(path.c_str(), &found), 0) << path;
  return found.st_mode & 0777;
}

TEST(Sqlite, FilesAreTheOwnersAlone) {
  FreshSqlite store;
  {
    const auto database = open_or_die(store);
  }
  ASSERT_EQ(::chmod(store.path().c_str(), 0644), 0);
  const auto database = open_or_die(store);
  ASSERT_TRUE(add_things(*database, 1, 1));
  EXPECT_EQ(rights(store.folder().path("data")), 0700u);
  for (const auto& entry : fs::directory_iterator(store.folder().path("data"))) {
    EXPECT_EQ(rights(entry.path()), 0600u) << entry.path();
  }
  ASSERT_TRUE(database->backup(store.folder().path("copy.db")));
  EXPECT_EQ(rights(store.folder().path("copy.db")), 0600u);
}

TEST(Sqlite, EveryCommitIsSynced) {
  FreshSqlite store;
  const auto database = open_or_die(store);
  const auto value = [](Transaction& t, const char* pragma) {
    auto rows = t.query(pragma);
    EXPECT_TRUE(rows);
    return std::move(rows).value().at(0);
  };
  const Status status = database->write([&](Transaction& t) -> Status {
    EXPECT_EQ(value(t, "PRAGMA synchronous").integer(0), 2);  // FULL
    EXPECT_EQ(value(t, "PRAGMA foreign_keys").integer(0), 1);
    EXPECT_EQ(value(t, "PRAGMA journal_mode").text(0), "wal");
    return {};
  });
  EXPECT_TRUE(status);
}

TEST(Sqlite, KeepsACopyBeforeItUpgrades) {
  FreshSqlite store;
  {
    auto first = store.open(kFirstOnly);
    ASSERT_TRUE(first);
    EXPECT_TRUE(files_with(store, ".v").empty());  // a new file holds nothing to keep
    ASSERT_TRUE(add_things(**first, 1, 5));
  }
  {
    EXPECT_EQ(count_things(*open_or_die(store)), 5);
  }
  const auto kept = files_with(store, ".v1-");
  ASSERT_EQ(kept.size(), 1u);
  auto old = open_sqlite(kept[0], {.migrations = kFirstOnly});
  ASSERT_TRUE(old) << old.error().to_string();
  EXPECT_EQ(count_things(**old), 5);
  {
    const auto again = open_or_die(store);
  }
  EXPECT_EQ(files_with(store, ".v3-").size(), 0u);  // nothing to do, nothing kept
}

TEST(Sqlite, AMigrationThatFailsChangesNothing) {
  static constexpr const char* kUp[] = {"CREATE TABLE half (id {integer}) {strict}",
                                        "INSERT INTO nowhere VALUES (1)"};
  static constexpr Migration kBad{2, "bad", kUp, kUp};
  static constexpr const Migration* kBoth[] = {&testing::kThings, &kBad};
  FreshSqlite store;
  {
    auto first = store.open(kFirstOnly);
    ASSERT_TRUE(first);
    ASSERT_TRUE(add_things(**first, 1, 5));
  }
  const auto failed = store.open(kBoth);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("migration 2 (bad)"), std::string::npos);
  auto first = store.open(kFirstOnly);
  ASSERT_TRUE(first) << first.error().to_string();
  EXPECT_EQ(count_things(**first), 5);
  const Status half = (*first)->read([](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.query("SELECT * FROM half"));
    return {};
  });
  EXPECT_FALSE(half);
}

TEST(Sqlite, UpgradesOnlyWhatNobodyElseUses) {
  FreshSqlite store;
  auto first = store.open(kFirstOnly);
  ASSERT_TRUE(first);
  const auto refused = store.open(kSampleMigrations);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  first->reset();
  EXPECT_TRUE(store.open(kSampleMigrations));
}

TEST(Sqlite, WaitsForTheOneWhoReplacesIt) {
  FreshSqlite store;
  {
    const auto database = open_or_die(store);
  }
  auto alone = FileLock::take(store.path(), FileLock::Mode::kAlone, 0);
  ASSERT_TRUE(alone);
  const auto refused = store.open(kSampleMigrations);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
}

TEST(Sqlite, BackupIsACompleteFileOfItsOwn) {
  FreshSqlite store;
  const auto database = open_or_die(store);
  ASSERT_TRUE(add_things(*database, 1, 2000));
  const std::string path = store.folder().path("copies/today.db");
  ASSERT_TRUE(database->backup(path));
  ASSERT_TRUE(add_things(*database, 5000, 10));
  const Status again = database->backup(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_FALSE(fs::exists(path + "-wal"));
  auto copy = open_sqlite(path, {.migrations = kSampleMigrations});
  ASSERT_TRUE(copy) << copy.error().to_string();
  EXPECT_EQ(count_things(**copy), 2000);
  EXPECT_TRUE((*copy)->verify());
}

// Overwrites the page at `index` of the file's end (-1: the last one).
void damage(const std::string& path, int index) {
  constexpr int kPage = 4096;
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(index * kPage, index < 0 ? std::ios::end : std::ios::beg);
  file << std::string(kPage, '\x5a');
}

TEST(Sqlite, ADamagedPageIsFound) {
  for (const int page : {-1, -3, 4, 7}) {
    FreshSqlite store;
    {
      const auto database = open_or_die(store);
      ASSERT_TRUE(add_things(*database, 1, 3000));
      ASSERT_TRUE(database->verify());
    }
    damage(store.path(), page);
    auto database = store.open(kSampleMigrations);
    if (!database) {
      EXPECT_EQ(database.error().code, ErrorCode::kCorrupt);
      continue;
    }
    const Status status = (*database)->verify();
    ASSERT_FALSE(status) << "page " << page;
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(status.error().hint.find("maru restore"), std::string::npos);
    const Status copied = (*database)->backup(store.folder().path("copy.db"));
    ASSERT_FALSE(copied);  // a copy of damaged data is no backup
    EXPECT_FALSE(fs::exists(store.folder().path("copy.db")));
  }
}

TEST(Sqlite, OtherFilesAreRefused) {
  FreshSqlite store;
  store.folder().write("data/maru.db", "this is a text, and no database, however long it may be");
  const auto text = store.open(kSampleMigrations);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kCorrupt);
  fs::remove(store.path());
  auto other = open_sqlite(store.path(), {.migrations = {}});
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->write([](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.execute("CREATE TABLE recipes (name TEXT)"));
    return {};
  }));
  other->reset();
  const auto refused = store.open(kSampleMigrations);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("another program"), std::string::npos);
}

TEST(Sqlite, ManyStatementsAreKeptAndForgotten) {
  FreshSqlite store;
  const auto database = open_or_die(store);
  const Status status = database->write([&](Transaction& t) -> Status {
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 500; ++i) {
        MARU_ASSIGN_OR_RETURN(const auto rows,
                              t.query("SELECT " + std::to_string(i) + " + ?", {1}));
        EXPECT_EQ(rows[0].integer(0), i + 1);
      }
    }
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

}  // namespace
}  // namespace maru::store
