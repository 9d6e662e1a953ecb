// Usage and costs over time, in the shape of OpenAI's organization API: pages of buckets of
// results. Buckets begin at multiples of their width (UTC); an empty one has no results.
#pragma once

#include <string>

#include "api/endpoint.h"

namespace maru::api {

enum class UsageKind : uint8_t { kCompletions, kCosts };

// Answers a call: of everybody, or of the one user (then nobody else can be asked for). With
// `Accept: text/csv` the whole time span comes as one table.
void answer_usage(const Call& call, UsageKind kind, const std::string& only_user_id);

}  // namespace maru::api
