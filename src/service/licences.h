// What common licences of models let people do. A help for readers, not legal advice.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace maru::service {

enum class LicenceKind : uint8_t {
  kUnknown,      // none is stated, or one that is not in the table
  kOpenSource,   // approved by the OSI, or of that kind
  kOpenWeights,  // the weights may be used, within limits
  kNonCommercial,
};
const char* licence_kind_name(LicenceKind kind);  // "open_source"...

struct Licence {
  const char* id;
  const char* name;
  LicenceKind kind;
  std::vector<const char*> limits;  // ids of limit_text()
};

// Null if it is not known; letters of either case.
const Licence* find_licence(std::string_view id);

// The words for a limit, "attribution" for example.
const char* limit_text(std::string_view limit, bool is_korean);

}  // namespace maru::service
