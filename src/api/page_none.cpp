// Stands for the generated bundle in a build without the web app (MARU_WEB=OFF).
#include "api/page.h"

namespace maru::api {

PageBundle page_bundle() { return {}; }

}  // namespace maru::api
