// Databases for tests: each is new, and gone with its maker. FreshDatabase is in PostgreSQL when
// MARU_DATABASE_URL names a scratch database there, which then gets a schema for each.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "base/check.h"
#include "base/log.h"
#include "base/testing/test_folder.h"
#include "store/database.h"
#include "store/migrations.h"
#include "store/postgresql.h"
#include "store/sqlite.h"

namespace maru::store::testing {

class FreshStore {
 public:
  virtual ~FreshStore() = default;
  // Opens it, again and again the same one.
  virtual Result<std::unique_ptr<Database>> open(std::span<const Migration* const> migrations,
                                                 std::optional<int> version = {}) = 0;
  virtual Dialect dialect() const = 0;
  virtual std::string location() const = 0;  // for Database::open()
};

class FreshSqlite final : public FreshStore {
 public:
  Result<std::unique_ptr<Database>> open(std::span<const Migration* const> migrations,
                                         std::optional<int> version = {}) override {
    return open_sqlite(path(),
                       {.migrations = migrations, .version = version, .lock_patience_ms = 20});
  }
  Dialect dialect() const override { return Dialect::kSqlite; }
  std::string location() const override { return path(); }
  std::string path() const { return folder_.path("data/maru.db"); }
  const TestFolder& folder() const { return folder_; }

 private:
  TestFolder folder_;
};

// MARU_DATABASE_URL, "" if it is not set.
inline std::string test_database_url() {
  const char* url = std::getenv("MARU_DATABASE_URL");
  return url == nullptr ? "" : url;
}

class FreshPostgresql final : public FreshStore {
 public:
  explicit FreshPostgresql(std::string server_url) : server_url_(std::move(server_url)) {
    static std::atomic<int> count{0};
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    schema_ = "maru_test_" + std::to_string(::getpid()) + "_" + std::to_string(now) + "_" +
              std::to_string(++count);
    run_on_server("CREATE SCHEMA " + schema_);
  }
  ~FreshPostgresql() override { run_on_server("DROP SCHEMA " + schema_ + " CASCADE"); }
  FreshPostgresql(const FreshPostgresql&) = delete;
  FreshPostgresql& operator=(const FreshPostgresql&) = delete;

  Result<std::unique_ptr<Database>> open(std::span<const Migration* const> migrations,
                                         std::optional<int> version = {}) override {
    return open_postgresql(location(), {.migrations = migrations, .version = version});
  }
  Dialect dialect() const override { return Dialect::kPostgresql; }
  std::string location() const override {
    const bool has_query = server_url_.find('?') != std::string::npos;
    return server_url_ + (has_query ? "&" : "?") + "options=-csearch_path%3D" + schema_;
  }
  const std::string& schema() const { return schema_; }

 private:
  void run_on_server(const std::string& sql) const {
    const auto server = open_postgresql(server_url_, {.migrations = {}});
    Status status = server ? Status() : Status(server.error());
    if (status) {
      status = (*server)->write([&](Transaction& t) -> Status {
        MARU_RETURN_IF_ERROR(t.execute(sql));
        return {};
      });
    }
    if (!status) log_error("{}: {}", sql, status.error().to_string());
    MARU_CHECK(status.has_value());
  }

  const std::string server_url_;
  std::string schema_;
};

class FreshDatabase final : public FreshStore {
 public:
  FreshDatabase() {
    const std::string url = test_database_url();
    if (url.empty()) {
      store_ = std::make_unique<FreshSqlite>();
    } else {
      store_ = std::make_unique<FreshPostgresql>(url);
    }
  }
  Result<std::unique_ptr<Database>> open(std::span<const Migration* const> migrations,
                                         std::optional<int> version = {}) override {
    return store_->open(migrations, version);
  }
  Dialect dialect() const override { return store_->dialect(); }
  std::string location() const override { return store_->location(); }

 private:
  std::unique_ptr<FreshStore> store_;
};

}  // namespace maru::store::testing
