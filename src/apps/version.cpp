#include "apps/version.h"

namespace maru::apps {

std::string version_line() { return "maru " MARU_VERSION; }

}  // namespace maru::apps
