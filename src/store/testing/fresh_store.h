// Databases for tests: each is new, and gone with its maker.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/testing/test_folder.h"
#include "store/database.h"
#include "store/migrations.h"
#include "store/sqlite.h"

namespace maru::store::testing {

class FreshStore {
 public:
  virtual ~FreshStore() = default;
  // Opens it, again and again the same one.
  virtual Result<std::unique_ptr<Database>> open(std::span<const Migration* const> migrations,
                                                 std::optional<int> version = {}) = 0;
  virtual Dialect dialect() const = 0;
};

class FreshSqlite final : public FreshStore {
 public:
  Result<std::unique_ptr<Database>> open(std::span<const Migration* const> migrations,
                                         std::optional<int> version = {}) override {
    return open_sqlite(path(),
                       {.migrations = migrations, .version = version, .lock_patience_ms = 20});
  }
  Dialect dialect() const override { return Dialect::kSqlite; }
  std::string path() const { return folder_.path("data/maru.db"); }
  const TestFolder& folder() const { return folder_; }

 private:
  TestFolder folder_;
};

}  // namespace maru::store::testing
