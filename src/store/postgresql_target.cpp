#include "store/postgresql_target.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <memory>

namespace maru::store {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

// What the URL may say otherwise.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"connect_timeout", "5"},   // seconds, for each host
    {"keepalives_idle", "30"},  // seconds; a server that is gone is noticed after a minute
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "30000"},           // milliseconds
    {"target_session_attrs", "read-write"},  // of several hosts the one that takes writes
    {"fallback_application_name", "maru"},
};

std::string value_of(const PostgresqlTarget& target, std::string_view name) {
  for (const auto& [key, value] : target.settings) {
    if (key == name) return value;
  }
  return "";
}

// A password with '@' or '/' that is not encoded ends up in these.
bool looks_misread(const PostgresqlTarget& target) {
  const std::string port = value_of(target, "port");
  return value_of(target, "host").find('@', 1) != std::string::npos ||
         value_of(target, "dbname").find('@') != std::string::npos ||
         port.find_first_not_of("0123456789,") != std::string::npos;
}

std::string describe(const PostgresqlTarget& target) {
  const std::string host = value_of(target, "host");
  const std::string port = value_of(target, "port");
  return fmt::format("PostgreSQL at '{}{}{}/{}'", host.empty() ? "this machine" : host,
                     port.empty() ? "" : ":", port, value_of(target, "dbname"));
}

}  // namespace

std::string PostgresqlTarget::clean(std::string_view text) const {
  std::string out(text);
  for (const std::string& secret : secrets) {
    for (size_t at = out.find(secret); at != std::string::npos; at = out.find(secret, at + 3)) {
      out.replace(at, secret.size(), "***");
    }
  }
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

Result<PostgresqlTarget> parse_target(const std::string& url) {
  char* complaint = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> parsed(
      PQconninfoParse(url.c_str(), &complaint));
  PQfreemem(complaint);
  PostgresqlTarget target;
  for (const PQconninfoOption* option = parsed.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    if (option->val == nullptr || *option->val == '\0') continue;
    target.settings.emplace_back(option->keyword, option->val);
    const bool is_secret = option->dispchar != nullptr && *option->dispchar == '*';
    if (is_secret) target.secrets.emplace_back(option->val);
  }
  if (parsed == nullptr || looks_misread(target)) {
    return Error{ErrorCode::kInvalidArgument,
                 "database_url is not the URL of a PostgreSQL database",
                 "write it as postgresql://user:password@host:5432/database; in the password "
                 "write %40 for @, %2F for / and so on"};
  }
  for (const auto& [name, value] : kDefaults) {
    if (value_of(target, name).empty()) target.settings.emplace_back(name, value);
  }
  // Whatever the server's own default is: we send and want UTF-8.
  std::erase_if(target.settings, [](const auto& s) { return s.first == "client_encoding"; });
  target.settings.emplace_back("client_encoding", "UTF8");
  target.where = describe(target);
  return target;
}

}  // namespace maru::store
