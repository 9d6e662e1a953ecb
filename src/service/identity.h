// Who asks, and what they may: a value made when a request is let in (service/accounts.h) and
// carried with it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/permissions.h"

namespace maru::service {

// Each may what those before it may.
enum class Role : uint8_t { kMember, kAuditor, kAdmin };

const char* role_name(Role role);  // "member"...
std::optional<Role> find_role(std::string_view name);

// What an API key is good for. A session has all of them; the role bounds both.
enum class Scope : uint8_t {
  kInference,  // models, answers, tokens
  kChats,      // conversations and what belongs to them
  kUsage,      // reading what was used
  kMetrics,    // /metrics
  kAccount,    // one's own profile, keys and sessions
  kAdmin,      // people, groups, projects, keys, prices, limits
  kAudit,      // reading the record of acts
  kCount,
};

const char* scope_name(Scope scope);  // "inference"...
std::optional<Scope> find_scope(std::string_view name);

class Scopes {
 public:
  constexpr Scopes() = default;
  constexpr Scopes(std::initializer_list<Scope> scopes) {
    for (const Scope scope : scopes) add(scope);
  }
  static constexpr Scopes all() {
    Scopes scopes;
    scopes.bits_ = (1U << static_cast<unsigned>(Scope::kCount)) - 1;
    return scopes;
  }
  // Names with spaces between them, as the store keeps them; none for an unknown one.
  static std::optional<Scopes> parse(std::string_view names);
  std::string names() const;
  std::vector<std::string> list() const;

  constexpr void add(Scope scope) { bits_ |= 1U << static_cast<unsigned>(scope); }
  constexpr bool has(Scope scope) const {
    return (bits_ >> static_cast<unsigned>(scope) & 1U) != 0;
  }
  constexpr bool has_all(Scopes other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr bool empty() const { return bits_ == 0; }
  bool operator==(const Scopes&) const = default;

 private:
  uint32_t bits_ = 0;
};

struct Identity : Permissions {
  std::string user_id;     // empty: nobody with an account
  std::string key_id;      // the API key used, also one of the settings ("static_..."); or empty
  std::string session_id;  // the session used; or empty
  std::string project_id;  // the key's; or empty
  Role role = Role::kMember;
  std::vector<std::string> group_ids;
  Scopes scopes;
  // Whose turn it is in the engine's queue, and what keeps cached prefixes apart ("": shared).
  std::string caller;
  std::string tenant_salt;

  bool is_person() const { return !user_id.empty(); }
  // Let in without a credential, on loopback while there is no account.
  bool is_anonymous() const { return user_id.empty() && key_id.empty(); }
};

}  // namespace maru::service
