#include "service/identity.h"

#include <array>

namespace maru::service {
namespace {

constexpr std::array<const char*, 3> kRoles = {"member", "auditor", "admin"};
constexpr std::array<const char*, static_cast<size_t>(Scope::kCount)> kScopes = {
    "inference", "chats", "usage", "metrics", "account", "admin", "audit"};

template <class T, size_t N>
std::optional<T> find_name(const std::array<const char*, N>& names, std::string_view name) {
  for (size_t i = 0; i < N; ++i) {
    if (name == names[i]) return static_cast<T>(i);
  }
  return std::nullopt;
}

}  // namespace

const char* role_name(Role role) { return kRoles[static_cast<size_t>(role)]; }

std::optional<Role> find_role(std::string_view name) { return find_name<Role>(kRoles, name); }

const char* scope_name(Scope scope) { return kScopes[static_cast<size_t>(scope)]; }

std::optional<Scope> find_scope(std::string_view name) { return find_name<Scope>(kScopes, name); }

std::optional<Scopes> Scopes::parse(std::string_view names) {
  Scopes scopes;
  while (!names.empty()) {
    const size_t end = std::min(names.find(' '), names.size());
    const std::optional<Scope> scope = find_scope(names.substr(0, end));
    if (!scope) return std::nullopt;
    scopes.add(*scope);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return scopes;
}

std::vector<std::string> Scopes::list() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < kScopes.size(); ++i) {
    if (has(static_cast<Scope>(i))) names.emplace_back(kScopes[i]);
  }
  return names;
}

std::string Scopes::names() const {
  std::string text;
  for (const std::string& name : list()) {
    if (!text.empty()) text += ' ';
    text += name;
  }
  return text;
}

}  // namespace maru::service
