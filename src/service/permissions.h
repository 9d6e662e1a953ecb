// What rules of groups let a person use: models, features of Maru, hosts outside the house. Models
// and features are narrowed by rules: who is in no group with a rule of that kind may use all. The
// way out is opened by them: without a rule no host may be reached.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/groups.h"

namespace maru::service {

class AuditLog;
struct Identity;

enum class Feature : uint8_t {
  kNone,         // what everybody has
  kCompletions,  // answers over /v1
  kChats,        // conversations kept by Maru
  kFiles,
  kAssistants,
  kMemories,
  kShares,
  kCount,
};

const char* feature_name(Feature feature);  // "chats"...; "" for kNone
std::optional<Feature> find_feature(std::string_view name);

struct Permissions {
  std::optional<std::vector<std::string>> models, features;  // none: all
  // As rules have them: "api.example.org", "*.example.org" (what is below it), "*".
  std::vector<std::string> hosts;

  bool may_use_model(std::string_view name) const;
  bool may_use_feature(Feature feature) const;
  // `host`: a name or an address, without port; letters of either case.
  bool may_reach(std::string_view host) const;
};

// Of all groups' rules together.
Permissions permissions_by(const std::vector<store::Rule>& rules);
// The same of one user, for what runs without a request. Nobody of that id: no group, no rules.
Result<Permissions> permissions_of(store::Transaction& transaction, const std::string& user_id);

// A rule that could never hold is refused. Errors: kInvalidArgument, with `param`.
Status check_rule(const store::Rule& rule);

// The way out of the house: whatever calls another host on a person's behalf asks here first, and
// each answer is recorded ("egress", "egress.refuse": who, which host, what for; never what is
// sent). Waits for the disk. Errors: kForbidden; those of the store: unrecorded, nothing goes out.
Status allow_egress(AuditLog& log, const Identity& who, const std::string& host,
                    const std::string& purpose);

}  // namespace maru::service
