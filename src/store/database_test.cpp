// What both databases promise (store/database.h).
#include "store/database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "store/testing/fresh_store.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

using testing::FreshStore;
using Maker = std::unique_ptr<FreshStore> (*)();

class DatabaseTest : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    store_ = GetParam()();
    auto opened = store_->open(testing::kSampleMigrations);
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(opened).value();
  }

  Status run(std::string_view sql, std::initializer_list<Value> parameters = {}) {
    return database_->write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute(sql, parameters));
      return {};
    });
  }
  int64_t count(std::string_view table) {
    int64_t n = -1;
    const Status status = database_->read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT count(*) FROM " + std::string(table)));
      n = rows[0].integer(0);
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return n;
  }
  void add_thing(int64_t id, const std::string& name) {
    const Status added = run("INSERT INTO things (id, t) VALUES (?, ?)", {id, name});
    ASSERT_TRUE(added) << added.error().to_string();
  }

  std::unique_ptr<FreshStore> store_;
  std::unique_ptr<Database> database_;
};

std::unique_ptr<FreshStore> make_sqlite() { return std::make_unique<testing::FreshSqlite>(); }
INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseTest, ::testing::Values(&make_sqlite));

std::unique_ptr<FreshStore> make_postgresql() {
  return std::make_unique<testing::FreshPostgresql>(testing::test_database_url());
}
std::vector<Maker> postgresql_if_there() {
  if (testing::test_database_url().empty()) return {};
  return {&make_postgresql};
}
INSTANTIATE_TEST_SUITE_P(Postgresql, DatabaseTest, ::testing::ValuesIn(postgresql_if_there()));

TEST_P(DatabaseTest, EveryTypeComesBackAsItWent) {
  const std::string all_bytes = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }();
  const std::vector<std::vector<Value>> rows = {
      {int64_t{1}, std::numeric_limits<int64_t>::min(), 0.1, "한국어 \\ ' \" ? $1",
       Blob{all_bytes}},
      {int64_t{2}, std::numeric_limits<int64_t>::max(), -1.7976931348623157e308, "", Blob{""}},
      {int64_t{3}, int64_t{0}, 5e-324, std::string(100000, 'x'), Blob{std::string(100000, '\0')}},
      {int64_t{4}, std::monostate(), std::monostate(), std::monostate(), std::monostate()},
  };
  for (const auto& row : rows) {
    const Status status = database_->write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id, n, r, t, b) VALUES (?, ?, ?, ?, ?)",
                                     std::span<const Value>(row)));
      return {};
    });
    ASSERT_TRUE(status) << status.error().to_string();
  }
  const Status status = database_->read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto found, t.query("SELECT n, r, t, b FROM things ORDER BY id"));
    EXPECT_EQ(found.size(), rows.size());
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(found[i].integer(0), std::get<int64_t>(rows[i][1]));
      EXPECT_EQ(found[i].real(1), std::get<double>(rows[i][2]));
      EXPECT_EQ(found[i].text(2), std::get<std::string>(rows[i][3]));
      EXPECT_EQ(found[i].blob(3), std::get<Blob>(rows[i][4]).bytes);
    }
    for (size_t column = 0; column < 4; ++column) EXPECT_TRUE(found[3].is_null(column));
    EXPECT_EQ(found[3].text_or_empty(2), "");
    EXPECT_EQ(found[3].integer_or(0, 7), 7);
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, NumbersOfExpressionsAreNumbers) {
  ASSERT_TRUE(run("INSERT INTO things (id, n, r) VALUES (1, 3, 0.5), (2, 4, 1.5)"));
  const Status status = database_->read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(
        const auto rows,
        t.query(
            "SELECT count(*), sum(n), sum(r), avg(n), max(n), sum(n * n) FROM things WHERE n < ?",
            {10}));
    EXPECT_EQ(rows[0].integer(0), 2);
    EXPECT_EQ(rows[0].integer(1), 7);
    EXPECT_EQ(rows[0].real(2), 2.0);
    EXPECT_EQ(rows[0].real(3), 3.5);
    EXPECT_EQ(rows[0].integer(4), 4);
    EXPECT_EQ(rows[0].integer(5), 25);
    MARU_ASSIGN_OR_RETURN(const auto none, t.query("SELECT sum(n) FROM things WHERE id = ?", {99}));
    EXPECT_TRUE(none[0].is_null(0));
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, CountsTheRowsThatChanged) {
  const Status status = database_->write([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const int64_t added,
                          t.execute("INSERT INTO things (id, n) VALUES (1, 1), (2, 1), (3, 2)"));
    EXPECT_EQ(added, 3);
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO parts (thing, place) VALUES (1, 0), (1, 1)"));
    MARU_ASSIGN_OR_RETURN(const int64_t changed, t.execute("UPDATE things SET n = 5 WHERE n = 1"));
    EXPECT_EQ(changed, 2);
    MARU_ASSIGN_OR_RETURN(const int64_t none, t.execute("UPDATE things SET n = 6 WHERE n = 1"));
    EXPECT_EQ(none, 0);
    MARU_ASSIGN_OR_RETURN(const int64_t removed, t.execute("DELETE FROM things WHERE id = ?", {1}));
    EXPECT_EQ(removed, 1);  // its parts go too, but are not counted
    MARU_ASSIGN_OR_RETURN(
        const int64_t skipped,
        t.execute("INSERT INTO things (id) VALUES (2) ON CONFLICT (id) DO NOTHING"));
    EXPECT_EQ(skipped, 0);
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
  EXPECT_EQ(count("parts"), 0);
}

TEST_P(DatabaseTest, ReturningGivesTheNewRow) {
  const Status status = database_->write([&](Transaction& t) -> Status {
    for (const int64_t expected : {1, 2}) {
      MARU_ASSIGN_OR_RETURN(
          const auto rows, t.query("INSERT INTO notes (body) VALUES (?) RETURNING seq", {"hello"}));
      EXPECT_EQ(rows.size(), 1u);
      EXPECT_EQ(rows[0].integer(0), expected);
    }
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, FailedWorkLeavesNothing) {
  add_thing(1, "one");
  const Status status = database_->write([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (2)"));
    MARU_RETURN_IF_ERROR(t.execute("DELETE FROM things WHERE id = 1"));
    return Error{ErrorCode::kForbidden, "no"};
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kForbidden);
  EXPECT_EQ(count("things"), 1);
}

TEST_P(DatabaseTest, AnErrorThatTheWorkHidesStillUndoesIt) {
  add_thing(1, "one");
  const Status status = database_->write([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (2)"));
    EXPECT_FALSE(t.execute("INSERT INTO things (id) VALUES (1)"));
    EXPECT_FALSE(t.execute("INSERT INTO things (id) VALUES (3)"));
    return {};
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kConflict);
  EXPECT_EQ(count("things"), 1);
  add_thing(2, "two");  // and the connection works
}

TEST_P(DatabaseTest, ConflictsNameTheirColumns) {
  add_thing(1, "one");
  ASSERT_TRUE(run("INSERT INTO parts (thing, place) VALUES (1, 0)"));
  const Status name = run("INSERT INTO things (id, t) VALUES (2, ?)", {"one"});
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code, ErrorCode::kConflict);
  EXPECT_EQ(conflict_column(name.error()), "things.t");
  EXPECT_EQ(name.error().message.find("one"), std::string::npos) << name.error().message;
  const Status key = run("INSERT INTO parts (thing, place) VALUES (1, 0)");
  ASSERT_FALSE(key);
  EXPECT_EQ(conflict_column(key.error()), "parts.thing, parts.place");
  const Status dangling = run("INSERT INTO parts (thing, place) VALUES (9, 0)");
  ASSERT_FALSE(dangling);
  EXPECT_EQ(dangling.error().code, ErrorCode::kConflict);
  EXPECT_EQ(conflict_column(dangling.error()), "");
}

TEST_P(DatabaseTest, MistakesOfProgrammersAreInternal) {
  add_thing(1, "one");
  for (const char* sql :
       {"SELEKT 1", "INSERT INTO nowhere (id) VALUES (1)", "INSERT INTO notes (body) VALUES (NULL)",
        "INSERT INTO parts (thing, place) VALUES (1, -1)", "INSERT INTO things (id) VALUES (?)",
        "INSERT INTO things (id) VALUES (5); INSERT INTO things (id) VALUES (6)"}) {
    const Status status = run(sql);
    ASSERT_FALSE(status) << sql;
    EXPECT_EQ(status.error().code, ErrorCode::kInternal) << sql << ": " << status.error().message;
  }
  EXPECT_EQ(run("INSERT INTO things (id, n) VALUES (5, ?)", {"five"}).error().code,
            ErrorCode::kInternal);
  const Status in_read = database_->read([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (7)"));
    return {};
  });
  ASSERT_FALSE(in_read);
  EXPECT_EQ(in_read.error().code, ErrorCode::kInternal);
  EXPECT_EQ(count("things"), 1);
}

TEST_P(DatabaseTest, TextThatOneOfThemCannotHoldIsRefused) {
  for (const std::string& text :
       {std::string("a\0b", 3), std::string("\xff"), std::string("\xed\xa0\x80")}) {
    const Status status = run("INSERT INTO things (id, t) VALUES (1, ?)", {text});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST_P(DatabaseTest, QuestionMarksInTextAreText) {
  const Status status = database_->write([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(
        t.execute("INSERT INTO things (id, t) VALUES (?, 'why? it''s ?') -- not this one: ?", {1}));
    MARU_ASSIGN_OR_RETURN(const auto rows,
                          t.query("SELECT t FROM things WHERE id = ? /* ? */", {1}));
    EXPECT_EQ(rows[0].text(0), "why? it's ?");
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, AReadSeesOneState) {
  add_thing(1, "one");
  const Status status = database_->read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto before, t.query("SELECT count(*) FROM things"));
    std::thread([&] { add_thing(2, "two"); }).join();  // a write does not wait for readers
    MARU_ASSIGN_OR_RETURN(const auto after, t.query("SELECT count(*) FROM things"));
    EXPECT_EQ(before[0].integer(0), 1);
    EXPECT_EQ(after[0].integer(0), 1);
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
  EXPECT_EQ(count("things"), 2);
}

TEST_P(DatabaseTest, AWriteSeesItselfAndOthersDoNotYet) {
  const Status status = database_->write([&](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id) VALUES (1)"));
    MARU_ASSIGN_OR_RETURN(const auto own, t.query("SELECT count(*) FROM things"));
    EXPECT_EQ(own[0].integer(0), 1);
    int64_t seen = -1;
    std::thread([&] { seen = count("things"); }).join();  // a read does not wait for the writer
    EXPECT_EQ(seen, 0);
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, ReadersBesideWritersSeeWholeTransactions) {
  ASSERT_TRUE(run("INSERT INTO things (id, n) VALUES (1, 0), (2, 0)"));
  constexpr int kWriters = 3;
  constexpr int kRounds = 40;
  std::atomic<bool> stop{false};
  std::atomic<int> n_torn{0}, n_failed{0};
  std::vector<std::thread> readers, writers;
  for (int i = 0; i < 6; ++i) {  // more than there are connections
    readers.emplace_back([&] {
      while (!stop) {
        const Status status = database_->read([&](Transaction& t) -> Status {
          MARU_ASSIGN_OR_RETURN(const auto first, t.query("SELECT n FROM things WHERE id = 1"));
          MARU_ASSIGN_OR_RETURN(const auto second, t.query("SELECT n FROM things WHERE id = 2"));
          if (first[0].integer(0) != second[0].integer(0)) ++n_torn;
          return {};
        });
        if (!status) ++n_failed;
      }
    });
  }
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const Status status = database_->write([&](Transaction& t) -> Status {
          MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT n FROM things WHERE id = 1"));
          const int64_t next = rows[0].integer(0) + 1;
          MARU_RETURN_IF_ERROR(t.execute("UPDATE things SET n = ? WHERE id = 1", {next}));
          MARU_RETURN_IF_ERROR(t.execute("UPDATE things SET n = ? WHERE id = 2", {next}));
          return {};
        });
        if (!status) ++n_failed;
      }
    });
  }
  for (std::thread& thread : writers) thread.join();
  stop = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(n_torn, 0);
  EXPECT_EQ(n_failed, 0);
  const Status status = database_->read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT n FROM things WHERE id = 1"));
    EXPECT_EQ(rows[0].integer(0), kWriters * kRounds);  // no update was lost
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, TwoOpenersOfOneDatabaseTakeTurns) {
  auto second = store_->open(testing::kSampleMigrations);
  ASSERT_TRUE(second) << second.error().to_string();
  ASSERT_TRUE(run("INSERT INTO things (id, n) VALUES (1, 0)"));
  std::atomic<int> n_failed{0};
  const auto add = [&](Database& database) {
    for (int i = 0; i < 50; ++i) {
      const Status status = database.write([&](Transaction& t) -> Status {
        MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT n FROM things WHERE id = 1"));
        MARU_RETURN_IF_ERROR(
            t.execute("UPDATE things SET n = ? WHERE id = 1", {rows[0].integer(0) + 1}));
        return {};
      });
      if (!status) ++n_failed;
    }
  };
  std::thread other([&] { add(**second); });
  add(*database_);
  other.join();
  EXPECT_EQ(n_failed, 0);
  const Status status = database_->read([&](Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT n FROM things WHERE id = 1"));
    EXPECT_EQ(rows[0].integer(0), 100);
    return {};
  });
  EXPECT_TRUE(status) << status.error().to_string();
}

TEST_P(DatabaseTest, AMigratedTableKeepsWhatRefersToIt) {
  add_thing(1, "one");
  ASSERT_TRUE(run("INSERT INTO parts (thing, place) VALUES (1, 0)"));
  database_.reset();
  auto first = store_->open(testing::kSampleMigrations, 1);
  ASSERT_TRUE(first) << first.error().to_string();
  first->reset();
  auto again = store_->open(testing::kSampleMigrations);
  ASSERT_TRUE(again) << again.error().to_string();
  database_ = std::move(again).value();
  EXPECT_EQ(count("parts"), 1);
  EXPECT_EQ(count("things"), 1);
  EXPECT_TRUE(database_->verify());
}

TEST_P(DatabaseTest, MigrationsGoUpAndDown) {
  ASSERT_TRUE(run("INSERT INTO things (id, n, colour) VALUES (1, 8, 'blue')"));
  const auto value_at = [&](int version) -> int64_t {
    database_.reset();
    auto opened = store_->open(testing::kSampleMigrations, version);
    EXPECT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(opened).value();
    int64_t n = -1;
    const Status status = database_->read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto rows, t.query("SELECT n FROM things"));
      n = rows[0].integer(0);
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return n;
  };
  EXPECT_EQ(value_at(2), 4);
  EXPECT_TRUE(run("UPDATE things SET colour = 'green'"));
  EXPECT_EQ(value_at(1), 4);
  EXPECT_FALSE(run("UPDATE things SET colour = 'green'"));
  EXPECT_EQ(value_at(3), 8);
}

TEST_P(DatabaseTest, TablesOfANewerVersionAreRefused) {
  database_.reset();
  const auto older = store_->open(testing::kFirstOnly);
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(older.error().message.find("version 3"), std::string::npos) << older.error().message;
  EXPECT_NE(older.error().hint.find("newer Maru"), std::string::npos);
}

}  // namespace
}  // namespace maru::store
