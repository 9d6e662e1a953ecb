#include "service/licences.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace maru::service {
namespace {

using enum LicenceKind;

const std::vector<Licence>& table() {
  static const std::vector<Licence> licences = {
      {"apache-2.0", "Apache License 2.0", kOpenSource, {"notice", "changes"}},
      {"mit", "MIT License", kOpenSource, {"notice"}},
      {"bsd-3-clause", "BSD 3-Clause", kOpenSource, {"notice"}},
      {"bsd-2-clause", "BSD 2-Clause", kOpenSource, {"notice"}},
      {"mpl-2.0", "Mozilla Public License 2.0", kOpenSource, {"share_alike"}},
      {"gpl-3.0", "GNU GPL 3", kOpenSource, {"share_alike"}},
      {"agpl-3.0", "GNU AGPL 3", kOpenSource, {"share_alike"}},
      {"cc0-1.0", "CC0 1.0", kOpenSource, {}},
      {"cc-by-4.0", "CC BY 4.0", kOpenSource, {"attribution", "changes"}},
      {"cc-by-sa-4.0", "CC BY-SA 4.0", kOpenSource, {"attribution", "share_alike"}},
      {"cc-by-nc-4.0", "CC BY-NC 4.0", kNonCommercial, {"attribution", "no_commerce"}},
      {"cc-by-nc-sa-4.0",
       "CC BY-NC-SA 4.0",
       kNonCommercial,
       {"attribution", "no_commerce", "share_alike"}},
      {"cc-by-nc-nd-4.0",
       "CC BY-NC-ND 4.0",
       kNonCommercial,
       {"attribution", "no_commerce", "no_derivatives"}},
      {"openrail", "OpenRAIL", kOpenWeights, {"use_policy"}},
      {"bigscience-openrail-m", "BigScience OpenRAIL-M", kOpenWeights, {"use_policy"}},
      {"gemma", "Gemma Terms of Use", kOpenWeights, {"use_policy", "pass_on", "remote_end"}},
      {"llama2",
       "Llama 2 Community License",
       kOpenWeights,
       {"use_policy", "attribution", "many_users", "no_other_models"}},
      {"llama3",
       "Llama 3 Community License",
       kOpenWeights,
       {"use_policy", "attribution", "many_users", "naming", "no_other_models"}},
      {"llama3.1",
       "Llama 3.1 Community License",
       kOpenWeights,
       {"use_policy", "attribution", "many_users", "naming"}},
      {"llama3.2",
       "Llama 3.2 Community License",
       kOpenWeights,
       {"use_policy", "attribution", "many_users", "naming"}},
      {"llama3.3",
       "Llama 3.3 Community License",
       kOpenWeights,
       {"use_policy", "attribution", "many_users", "naming"}},
      {"llama4",
       "Llama 4 Community License",
       kOpenWeights,
       {"use_policy", "attribution", "many_users", "naming"}},
      {"exaone", "EXAONE AI Model License (NC)", kNonCommercial, {"no_commerce"}},
      {"qwen-research", "Qwen Research License", kNonCommercial, {"no_commerce", "attribution"}},
  };
  return licences;
}

struct Limit {
  const char* id;
  const char* english;
  const char* korean;
};

constexpr Limit kLimits[] = {
    {"notice", "copies keep the licence and its notices",
     "복사본에 라이선스와 고지를 남겨야 합니다"},
    {"changes", "changes must be stated", "바꾼 점을 밝혀야 합니다"},
    {"attribution", "the makers must be named", "만든 이를 밝혀야 합니다"},
    {"share_alike", "what is made from it goes under the same licence",
     "이를 바탕으로 만든 것은 같은 라이선스를 따릅니다"},
    {"no_commerce", "no commercial use", "상업적으로 쓸 수 없습니다"},
    {"no_derivatives", "no changed versions may be passed on", "고친 것을 나누어 줄 수 없습니다"},
    {"use_policy", "uses that its policy names are forbidden",
     "이용 정책이 금한 용도로 쓸 수 없습니다"},
    {"pass_on", "who gets it from you is bound by the same terms",
     "나누어 받은 이도 같은 조건을 따라야 합니다"},
    {"remote_end", "the makers may end the use where terms are broken",
     "조건을 어기면 만든 이가 이용을 끝낼 수 있습니다"},
    {"many_users", "who has very many users needs a licence of their own",
     "이용자가 아주 많은 회사는 따로 허락을 받아야 합니다"},
    {"no_other_models", "answers may not be used to improve other models",
     "답변을 다른 모델을 개선하는 데 쓸 수 없습니다"},
    {"naming", "models made from it carry its name",
     "이를 바탕으로 만든 모델은 이름에 이를 밝혀야 합니다"},
};

}  // namespace

const char* licence_kind_name(LicenceKind kind) {
  switch (kind) {
    case kUnknown: return "unknown";
    case kOpenSource: return "open_source";
    case kOpenWeights: return "open_weights";
    case kNonCommercial: break;
  }
  return "non_commercial";
}

const Licence* find_licence(std::string_view id) {
  std::string lower(id);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Licence& licence : table()) {
    if (lower == licence.id) return &licence;
  }
  return nullptr;
}

const char* limit_text(std::string_view limit, bool is_korean) {
  for (const Limit& known : kLimits) {
    if (limit == known.id) return is_korean ? known.korean : known.english;
  }
  return "";
}

}  // namespace maru::service
