#include "store/restore.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "store/sqlite_files.h"
#include "store/testing/fresh_store.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

namespace fs = std::filesystem;
using testing::kSampleMigrations;

// A data file with a table of the test's own to write into.
class RestoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = open();
    ASSERT_TRUE(database_->write([](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute("CREATE TABLE marks (word TEXT)"));
      return {};
    }));
  }
  std::unique_ptr<Database> open() {
    auto opened = store_.open(kSampleMigrations);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(opened).value();
  }
  void mark(const std::string& word) {
    const Status status = database_->write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute("INSERT INTO marks (word) VALUES (?)", {word}));
      return {};
    });
    ASSERT_TRUE(status) << status.error().to_string();
  }
  static std::string marks(const Database& database) {
    std::string words;
    const Status status = database.read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT word FROM marks ORDER BY word"));
      for (const Row& row : rows) words += row.text(0) + " ";
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return words;
  }
  std::string backup_path() const { return store_.folder().path("backup.db"); }
  size_t n_files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(store_.folder().path("data")),
                                             fs::directory_iterator()));
  }

  testing::FreshSqlite store_;
  std::unique_ptr<Database> database_;
};

TEST_F(RestoreTest, ABackupComesBack) {
  mark("a");
  const auto report = back_up(store_.path(), backup_path(), kSampleMigrations);  // while it is open
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->n_bytes, fs::file_size(backup_path()));
  EXPECT_EQ(report->version, newest_version(kSampleMigrations));
  mark("b");
  const auto busy = restore(backup_path(), store_.path(), kSampleMigrations);
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, ErrorCode::kConflict);
  EXPECT_EQ(marks(*database_), "a b ");
  database_.reset();

  const auto restored = restore(backup_path(), store_.path(), kSampleMigrations);
  ASSERT_TRUE(restored) << restored.error().to_string();
  database_ = open();
  EXPECT_EQ(marks(*database_), "a ");
  EXPECT_TRUE(database_->verify());
  const auto old = open_sqlite(restored->kept, {.migrations = kSampleMigrations});
  ASSERT_TRUE(old) << old.error().to_string();
  EXPECT_EQ(marks(**old), "a b ");
}

TEST_F(RestoreTest, WhatWasOnlyInTheLogIsKeptToo) {
  ASSERT_TRUE(back_up(store_.path(), backup_path(), kSampleMigrations));
  mark("a");
  // As a killed server leaves it: the log beside the file.
  const std::string crashed = store_.folder().path("crashed/maru.db");
  fs::create_directories(fs::path(crashed).parent_path());
  fs::copy_file(store_.path(), crashed);
  fs::copy_file(store_.path() + "-wal", crashed + "-wal");
  const auto restored = restore(backup_path(), crashed, kSampleMigrations);
  ASSERT_TRUE(restored) << restored.error().to_string();
  EXPECT_FALSE(fs::exists(crashed + "-wal"));  // else the old log would be read into the new file
  auto now = open_sqlite(crashed, {.migrations = kSampleMigrations});
  ASSERT_TRUE(now);
  EXPECT_EQ(marks(**now), "");
  auto old = open_sqlite(restored->kept, {.migrations = kSampleMigrations});
  ASSERT_TRUE(old);
  EXPECT_EQ(marks(**old), "a ");
}

TEST_F(RestoreTest, DamagedDataIsReplacedAndKept) {
  mark("a");
  ASSERT_TRUE(back_up(store_.path(), backup_path(), kSampleMigrations));
  database_.reset();
  const std::string damaged(8192, '\x5a');
  std::ofstream(store_.path(), std::ios::binary) << damaged;
  std::ofstream(store_.path() + "-wal", std::ios::binary) << "no log";
  const auto restored = restore(backup_path(), store_.path(), kSampleMigrations);
  ASSERT_TRUE(restored) << restored.error().to_string();
  database_ = open();
  EXPECT_EQ(marks(*database_), "a ");
  EXPECT_EQ(fs::file_size(restored->kept), damaged.size());
  EXPECT_TRUE(fs::exists(restored->kept + "-wal"));
}

TEST_F(RestoreTest, BadBackupsChangeNothing) {
  mark("a");
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(database_->write([&](Transaction& t) -> Status {
      for (; i % 500 != 499; ++i) {
        MARU_RETURN_IF_ERROR(t.execute("INSERT INTO marks (word) VALUES (?)", {"b"}));
      }
      return {};
    }));
  }
  ASSERT_TRUE(back_up(store_.path(), backup_path(), kSampleMigrations));
  const std::string words = marks(*database_);
  database_.reset();
  const size_t n_before = n_files();
  const auto refused = [&](const std::string& path, ErrorCode code) {
    const auto result = restore(path, store_.path(), kSampleMigrations);
    ASSERT_FALSE(result) << path;
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_NE(result.error().message.find(path), std::string::npos) << result.error().message;
  };
  const auto& folder = store_.folder();
  std::string bytes;
  {
    std::ifstream file(backup_path(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  refused(folder.path("nowhere.db"), ErrorCode::kNotFound);
  refused(folder.write("text.db", std::string(10000, 'x')), ErrorCode::kCorrupt);
  refused(folder.write("cut.db", bytes.substr(0, bytes.size() - 4096)), ErrorCode::kCorrupt);
  std::string hole = bytes;
  std::fill(hole.end() - 8192, hole.end() - 4096, '\0');
  refused(folder.write("hole.db", hole), ErrorCode::kCorrupt);
  refused(folder.write("empty.db", ""), ErrorCode::kInvalidArgument);
  refused(store_.path(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(n_files(), n_before);
  database_ = open();
  EXPECT_EQ(marks(*database_), words);
}

TEST_F(RestoreTest, AnEmptyPlaceIsFilled) {
  mark("a");
  ASSERT_TRUE(back_up(store_.path(), backup_path(), kSampleMigrations));
  const std::string path = store_.folder().path("new/place/maru.db");
  const auto restored = restore(backup_path(), path, kSampleMigrations);
  ASSERT_TRUE(restored) << restored.error().to_string();
  EXPECT_EQ(restored->kept, "");
  struct stat found = {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  auto database = open_sqlite(path, {.migrations = kSampleMigrations});
  ASSERT_TRUE(database);
  EXPECT_EQ(marks(**database), "a ");
}

TEST_F(RestoreTest, BackupsOfNothingAndOverSomethingAreRefused) {
  const auto nothing =
      back_up(store_.folder().path("nowhere.db"), backup_path(), kSampleMigrations);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::kNotFound);
  store_.folder().write("backup.db", "precious");
  const auto over = back_up(store_.path(), backup_path(), kSampleMigrations);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::kConflict);
  EXPECT_EQ(fs::file_size(backup_path()), 8u);
}

}  // namespace
}  // namespace maru::store
