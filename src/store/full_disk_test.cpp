// A disk without room: writes fail with a cause and a hint, reads go on, writes work again once
// there is room, and nothing that was acknowledged is lost.
#include <gtest/gtest.h>

#include "store/sqlite.h"
#include "store/testing/crash_vfs.h"
#include "store/testing/sample_migrations.h"

namespace maru::store {
namespace {

using testing::CrashVfs;

constexpr const char* kPath = "/maru.db";

class FullDiskTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    disk_.make_file(kPath);
    open();
  }
  void open() {
    auto opened = open_sqlite(kPath, {.vfs = disk_.name(),
                                      .migrations = testing::kSampleMigrations,
                                      .checkpoint_pages = GetParam()});
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(opened).value();
  }
  Status add(int64_t id, size_t n_bytes) {
    return database_->write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(t.execute("INSERT INTO things (id, b) VALUES (?, ?)",
                                     {id, Blob{std::string(n_bytes, 'x')}}));
      return {};
    });
  }
  // Adds rows until one fails; returns how many there are.
  int64_t fill(int64_t n_rows) {
    while (true) {
      const Status added = add(n_rows, 1 + static_cast<size_t>(n_rows) * 37 % 9000);
      if (added) {
        ++n_rows;
        continue;
      }
      EXPECT_EQ(added.error().code, ErrorCode::kUnavailable) << added.error().to_string();
      EXPECT_NE(added.error().message.find("the disk is full"), std::string::npos);
      EXPECT_NE(added.error().hint.find("free disk space"), std::string::npos);
      return n_rows;
    }
  }
  int64_t count() {
    int64_t n = -1;
    const Status status = database_->read([&](Transaction& t) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto rows,
                            t.query("SELECT count(*), sum(length(b)) FROM things"));
      n = rows[0].integer(0);
      return {};
    });
    EXPECT_TRUE(status) << status.error().to_string();
    return n;
  }

  CrashVfs disk_;
  std::unique_ptr<Database> database_;
};

INSTANTIATE_TEST_SUITE_P(PagesOfLog, FullDiskTest, ::testing::Values(4, 100, 1000));

TEST_P(FullDiskTest, ReadsGoOnAndWritesResume) {
  int64_t n_rows = 0;
  for (int round = 1; round <= 5; ++round) {
    disk_.set_room(disk_.used() + 300000 + static_cast<uint64_t>(round) * 1111);
    const int64_t n_before = n_rows;
    n_rows = fill(n_rows);
    EXPECT_GT(n_rows, n_before) << "round " << round;  // they resumed
    for (int i = 0; i < 5; ++i) {
      EXPECT_FALSE(add(1000000 + i, 50000));
      EXPECT_EQ(count(), n_rows);
    }
    const Status checked = database_->verify();
    EXPECT_TRUE(checked) << checked.error().to_string();
  }
}

TEST_P(FullDiskTest, OpensWhileThereIsNoRoom) {
  disk_.set_room(disk_.used() + 300000);
  const int64_t n_rows = fill(0);
  disk_.set_room(0);
  database_.reset();
  open();
  EXPECT_EQ(count(), n_rows);
  EXPECT_FALSE(add(1000000, 50000));
  disk_.set_room(UINT64_MAX);
  EXPECT_TRUE(add(1000000, 50000));
  EXPECT_EQ(count(), n_rows + 1);
  EXPECT_TRUE(database_->verify());
}

TEST_P(FullDiskTest, PowerFailsToo) {
  std::mt19937_64 random(7);
  disk_.set_room(disk_.used() + 400000);
  const int64_t n_rows = fill(0);
  disk_.fail_after(3);
  EXPECT_FALSE(add(1000000, 50000));
  database_.reset();
  disk_.lose_power(random);
  open();
  EXPECT_EQ(count(), n_rows);
  EXPECT_TRUE(database_->verify());
}

}  // namespace
}  // namespace maru::store
