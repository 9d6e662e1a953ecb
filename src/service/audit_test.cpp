#include "service/audit.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/test_folder.h"
#include "service/accounts.h"

namespace maru::service {
namespace {

class AuditLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_database(folder_.path("maru.db"));
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = *opened;
    log_ = std::make_shared<AuditLog>(database_, head_file());
  }
  std::string head_file() const { return folder_.path("audit.head"); }
  int64_t kept() const {
    const auto text = read_file(head_file(), 1000);
    return text ? parse_audit_head(*text)->seq : 0;
  }
  // As somebody would who may write the file: the triggers are only for accidents.
  void cut_from(int64_t seq) {
    ASSERT_TRUE(database_->write([&](store::Transaction& transaction) -> Status {
      MARU_ASSIGN_OR_RETURN(const auto triggers,
                            transaction.query("SELECT name FROM sqlite_master WHERE type = "
                                              "'trigger' AND tbl_name LIKE 'audit%'"));
      for (const auto& row : triggers) {
        MARU_RETURN_IF_ERROR(transaction.execute("DROP TRIGGER " + row.text(0)));
      }
      MARU_RETURN_IF_ERROR(transaction.execute("DELETE FROM audit WHERE seq >= ?", {seq}));
      MARU_RETURN_IF_ERROR(transaction.execute(
          "UPDATE audit_head SET seq = ?, hash = (SELECT hash FROM audit WHERE seq = ?)",
          {seq - 1, seq - 1}));
      return {};
    }));
  }

  TestFolder folder_;
  std::shared_ptr<store::Database> database_;
  std::shared_ptr<AuditLog> log_;
};

TEST_F(AuditLogTest, EveryActRenewsTheKeptHead) {
  Accounts accounts(log_);
  ASSERT_TRUE(accounts.add_group(kLocalActor, "a"));
  EXPECT_EQ(kept(), 1);
  ASSERT_TRUE(log_->record({"x", "login", "s", "{}"}));
  EXPECT_EQ(kept(), 2);
  ASSERT_TRUE(accounts.add_group(kLocalActor, "b"));
  EXPECT_EQ(kept(), 3);
  EXPECT_FALSE(log_->verify({})->fault);
}

TEST_F(AuditLogTest, CuttingTheNewestIsFoundAlsoAfterFurtherActs) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log_->record({"x", "login", "s", "{}"}));
  cut_from(4);  // rows, head row and all: the table is sound by itself
  auto report = log_->verify({});
  ASSERT_TRUE(report && report->fault);
  EXPECT_EQ(report->fault->seq, 4);
  // What is added does not cover it up, however much.
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log_->record({"x", "logout", "s", "{}"}));
  report = log_->verify({});
  ASSERT_TRUE(report && report->fault);
  EXPECT_EQ(report->fault->seq, 5);
  EXPECT_EQ(kept(), 5);
}

TEST_F(AuditLogTest, AnotherProgramsNewerHeadStays) {
  AuditLog other(database_, head_file());
  ASSERT_TRUE(log_->record({"x", "login", "s", "{}"}));
  ASSERT_TRUE(other.record({"y", "login", "s", "{}"}));
  ASSERT_TRUE(log_->record({"x", "login", "s", "{}"}));
  EXPECT_EQ(kept(), 3);
  EXPECT_FALSE(other.verify({})->fault);
}

TEST_F(AuditLogTest, AFailedActLeavesNoRow) {
  EXPECT_FALSE(log_->change({"x", "act", "s", "{}"}, [](store::Transaction&) -> Status {
    return Error{ErrorCode::kConflict, "no"};
  }));
  EXPECT_TRUE(log_->list_before(0, 10)->empty());
  EXPECT_EQ(kept(), 0);
}

TEST_F(AuditLogTest, PagesGoBackwards) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(log_->record({"x", "login", "s", "{}"}));
  EXPECT_EQ(log_->list_before(0, 2)->front().seq, 5);
  const auto page = log_->list_before(4, 2);
  ASSERT_EQ(page->size(), 2U);
  EXPECT_EQ(page->front().seq, 3);
  EXPECT_EQ(page->back().seq, 2);
  EXPECT_TRUE(log_->list_before(1, 2)->empty());
}

}  // namespace
}  // namespace maru::service
