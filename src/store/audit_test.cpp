// The record of acts: whatever is changed, cut or put into another order is found.
#include "store/audit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/testing/test_folder.h"
#include "store/testing/fresh_store.h"

namespace maru::store {
namespace {

constexpr int64_t kRows = 60;
constexpr int kCopies = 1000;

class AuditTable : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(store_.location());
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
    for (int64_t i = 1; i <= kRows; ++i) {
      const Status status = database_->write([&](Transaction& t) -> Status {
        const AuditEntry entry{fmt::format("user_{}", i % 3), "key.create",
                               fmt::format("key_{}", i), fmt::format("{{\"n\":{}}}", i)};
        MARU_ASSIGN_OR_RETURN(const AuditHead head, append_audit(t, entry, 1'700'000'000'000 + i));
        heads_.push_back(head);
        return {};
      });
      ASSERT_TRUE(status) << status.error().to_string();
    }
  }

  // What a verification finds after `tamper`; nothing of it stays.
  AuditReport verify_after(const std::function<Status(Transaction&)>& tamper,
                           const std::vector<AuditHead>& known = {}) {
    AuditReport report;
    const Status undone = database_->write([&](Transaction& t) -> Status {
      MARU_RETURN_IF_ERROR(allow_changes(t));
      MARU_RETURN_IF_ERROR(tamper(t));
      auto found = verify_audit(t, known);
      if (!found) return found.error();
      report = *std::move(found);
      return Error{ErrorCode::kConflict, "undo"};
    });
    EXPECT_EQ(undone.error().message, "undo");
    return report;
  }

  Status allow_changes(Transaction& t) const {
    const char* const on = database_->is_postgresql() ? " ON audit" : "";
    MARU_RETURN_IF_ERROR(t.execute(fmt::format("DROP TRIGGER audit_is_not_changed{}", on)));
    if (!database_->is_postgresql()) {
      MARU_RETURN_IF_ERROR(t.execute("DROP TRIGGER audit_is_not_removed"));
    }
    return {};
  }

  testing::FreshDatabase store_;
  std::unique_ptr<Database> database_;
  std::vector<AuditHead> heads_;
};

Status run(Transaction& t, const std::string& sql, std::initializer_list<Value> parameters = {}) {
  const auto done = t.execute(sql, parameters);
  if (!done) return done.error();
  return {};
}

// Someone who knows how rows are made, and makes all from `first` on anew.
Status hash_anew(Transaction& t, int64_t first, bool with_head) {
  std::string previous;
  MARU_ASSIGN_OR_RETURN(const auto rows, list_audit(t, 0, 1000));
  for (AuditRow row : rows) {
    if (row.seq >= first) {
      row.previous_hash = previous;
      row.hash = audit_hash(row);
      MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET previous_hash = ?, hash = ? WHERE seq = ?",
                               {row.previous_hash, row.hash, row.seq}));
    }
    previous = row.hash;
  }
  if (!with_head || rows.empty()) return {};
  return run(t, "UPDATE audit_head SET seq = ?, hash = ?", {rows.back().seq, previous});
}

TEST_F(AuditTable, IsSoundAsItWasWritten) {
  const auto nothing = [](Transaction&) { return Status(); };
  const AuditReport report = verify_after(nothing, heads_);
  EXPECT_FALSE(report.fault) << report.fault->what;
  EXPECT_EQ(report.head, heads_.back());
  EXPECT_EQ(report.head.seq, kRows);
}

TEST_F(AuditTable, RefusesChangesAndRemovals) {
  for (const char* sql :
       {"UPDATE audit SET actor = 'nobody' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3"}) {
    const Status status = database_->write([&](Transaction& t) { return run(t, sql); });
    EXPECT_FALSE(status) << sql;
  }
}

// One act of tampering, chosen by `random`. `needs_head`: it can be found only against a head that
// was kept elsewhere.
struct Tampering {
  std::string what;
  std::function<Status(Transaction&)> act;
  bool needs_head = false;
};

Tampering choose(std::mt19937& random) {
  const auto pick = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  const int64_t seq = pick(1, kRows);
  const int64_t other = seq % kRows + 1;
  const bool anew = pick(0, 1) == 1;
  static constexpr const char* kTexts[] = {"actor",  "action",        "subject",
                                           "detail", "previous_hash", "hash"};
  switch (pick(0, 7)) {
    case 0: {
      const std::string column = kTexts[pick(0, 5)];
      const bool rehash = anew && column != "hash" && column != "previous_hash";
      return {
          fmt::format("{} of {} changed, hashed anew: {}", column, seq, rehash),
          [=](Transaction& t) -> Status {
            MARU_RETURN_IF_ERROR(run(
                t, fmt::format("UPDATE audit SET {0} = {0} || 'x' WHERE seq = ?", column), {seq}));
            return rehash ? hash_anew(t, seq, true) : Status();
          },
          rehash};
    }
    case 1:
      return {fmt::format("time of {} changed", seq), [=](Transaction& t) {
                return run(t, "UPDATE audit SET at = at + 1 WHERE seq = ?", {seq});
              }};
    case 2:
      return {fmt::format("row {} removed", seq),
              [=](Transaction& t) { return run(t, "DELETE FROM audit WHERE seq = ?", {seq}); }};
    case 3:
      return {fmt::format("tail from {} cut, head set: {}", seq, anew),
              [=](Transaction& t) -> Status {
                MARU_RETURN_IF_ERROR(run(t, "DELETE FROM audit WHERE seq >= ?", {seq}));
                if (!anew) return {};
                if (seq == 1) return run(t, "DELETE FROM audit_head");
                return hash_anew(t, kRows + 1, true);
              },
              anew};
    case 4:
      return {fmt::format("front up to {} cut", seq),
              [=](Transaction& t) { return run(t, "DELETE FROM audit WHERE seq <= ?", {seq}); }};
    case 5:
      return {
          fmt::format("rows {} and {} changed places, hashed anew: {}", seq, other, anew),
          [=](Transaction& t) -> Status {
            MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET seq = -1 WHERE seq = ?", {seq}));
            MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET seq = ? WHERE seq = ?", {seq, other}));
            MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET seq = ? WHERE seq = -1", {other}));
            return anew ? hash_anew(t, 1, true) : Status();
          },
          anew};
    case 6:
      return {
          fmt::format("a row was put before {}", seq), [=](Transaction& t) -> Status {
            MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET seq = seq + 1000 WHERE seq >= ?", {seq}));
            MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET seq = seq - 999 WHERE seq > 1000"));
            return run(t,
                       "INSERT INTO audit SELECT ?, at, actor, action, subject, detail, "
                       "previous_hash, hash FROM audit WHERE seq = ?",
                       {seq, seq + 1});
          }};
    default:
      return {"the head was changed", [=](Transaction& t) {
                return anew ? run(t, "UPDATE audit_head SET seq = seq + 1")
                            : run(t, "DELETE FROM audit_head");
              }};
  }
}

TEST_F(AuditTable, AThousandTamperedCopiesAreFound) {
  std::mt19937 random(20261122);
  int n_need_head = 0;
  for (int i = 0; i < kCopies; ++i) {
    const Tampering tampering = choose(random);
    n_need_head += tampering.needs_head ? 1 : 0;
    const AuditReport report =
        verify_after(tampering.act,
                     tampering.needs_head ? std::vector{heads_.back()} : std::vector<AuditHead>());
    ASSERT_TRUE(report.fault) << i << ": " << tampering.what;
  }
  // Both kinds were among them.
  EXPECT_GT(n_need_head, kCopies / 10);
  EXPECT_LT(n_need_head, kCopies / 2);
}

// What docs/metering.md says about them: only a kept head shows these.
TEST_F(AuditTable, AWholeForgeryShowsOnlyAgainstAKeptHead) {
  const auto forge = [](Transaction& t) -> Status {
    MARU_RETURN_IF_ERROR(run(t, "UPDATE audit SET actor = 'nobody' WHERE seq = 7"));
    return hash_anew(t, 7, true);
  };
  EXPECT_FALSE(verify_after(forge).fault);
  EXPECT_FALSE(verify_after(forge, {heads_[5]}).fault);  // from before the change
  const AuditReport report = verify_after(forge, {heads_[5], heads_[9]});
  ASSERT_TRUE(report.fault);
  EXPECT_EQ(report.fault->seq, 10);
}

TEST(AuditHash, BindsEveryField) {
  const AuditRow row{1, 2, {"a", "b", "c", "{}"}, "", ""};
  // printf 'maru audit 1' and the fields as docs/metering.md lays them out | sha256sum
  EXPECT_EQ(audit_hash(row), "5d49342b2d1146cd53c1496013a0afa9a46084055aaa193038fdf21173d5d948");
  AuditRow moved = row;
  moved.entry.actor = "";
  moved.entry.action = "ab";
  EXPECT_NE(audit_hash(moved), audit_hash(row));
}

}  // namespace
}  // namespace maru::store
