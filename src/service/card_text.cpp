// The open card as a text, in English and Korean.
#include <fmt/format.h>

#include "base/json.h"
#include "service/licences.h"
#include "service/memory_plan.h"
#include "service/model_card.h"

namespace maru::service {
namespace {

struct Words {
  const char* key;
  const char* english;
  const char* korean;
};

constexpr Words kWords[] = {
    {"openness", "What is open", "무엇이 열려 있나"},
    {"structure", "structure", "구조"},
    {"weights", "weights", "가중치"},
    {"inference_code", "code that runs it", "실행 코드"},
    {"training_code", "code that trained it", "학습 코드"},
    {"training_data", "training data", "학습 데이터"},
    {"training_hyperparameters", "settings of the training", "학습 설정"},
    {"open", "open: it is here", "열림: 여기에 있습니다"},
    {"named", "named by the files, not checked", "파일에 이름이 있으나 확인되지 않음"},
    {"unknown", "unknown: the files do not say", "모름: 파일에 적혀 있지 않음"},
    {"licence", "Licence", "라이선스"},
    {"open_source", "open source", "오픈 소스"},
    {"open_weights", "open weights, within limits", "가중치 공개, 제한 있음"},
    {"non_commercial", "not for commercial use", "비상업용"},
    {"stated_in", "stated in", "적힌 곳"},
    {"no_licence", "none is stated: ask who made it before you use it",
     "적혀 있지 않음: 쓰기 전에 만든 이에게 확인하세요"},
    {"unknown_licence", "not known here: read it before you use it",
     "알려지지 않은 라이선스: 쓰기 전에 읽어 보세요"},
    {"origin", "Origin", "출처"},
    {"by_hand", "unknown: the files were put here by hand", "모름: 파일을 직접 넣었습니다"},
    {"shape", "Structure", "구조"},
    {"lineage", "Made from", "바탕"},
    {"parent", "model", "모델"},
    {"data", "data", "데이터"},
    {"settings", "settings", "설정"},
    {"nothing", "the files do not say", "파일에 적혀 있지 않음"},
    {"files", "Files (SHA-256)", "파일 (SHA-256)"},
    {"not_hashed", "not hashed yet", "아직 계산되지 않음"},
    {"fingerprints", "Fingerprints", "지문"},
    {"none", "none", "없음"},
    {"model", "model", "모델"},
    {"chat_template", "chat template", "대화 템플릿"},
    {"tokenizer", "tokenizer", "토크나이저"},
};

class Printer {
 public:
  Printer(const Json& card, bool is_korean) : card_(card), is_korean_(is_korean) {}

  std::string print() {
    out_ = text(card_["name"]) + "\n";
    print_openness();
    print_licence();
    print_origin();
    print_structure();
    print_lineage();
    head("files");
    for (const Json& file : card_["files"]) {
      const Json& sha = file["sha256"];
      line(fmt::format("{} {} ({})", sha.is_null() ? say("not_hashed") : text(sha),
                       text(file["name"]), format_bytes(file["bytes"].get<uint64_t>())));
    }
    head("fingerprints");
    for (const auto& [key, value] : card_["fingerprints"].items()) {
      line(fmt::format("{}: {}", say(key), value.is_null() ? say("none") : text(value)));
    }
    return out_;
  }

 private:
  std::string say(std::string_view key) const {
    for (const Words& words : kWords) {
      if (key == words.key) return is_korean_ ? words.korean : words.english;
    }
    return std::string(key);
  }
  static std::string text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : dump_json(value);
  }
  void head(const char* key) { out_ += "\n" + say(key) + "\n"; }
  void line(const std::string& content) { out_ += "  " + content + "\n"; }

  void print_openness() {
    head("openness");
    for (const auto& [key, value] : card_["openness"].items()) {
      line(fmt::format("{}: {}", say(key), say(text(value))));
    }
  }
  void print_licence() {
    const Json& licence = card_["licence"];
    head("licence");
    if (licence["id"].is_null()) return line(say("no_licence"));
    const std::string name = text(licence[licence["name"].is_null() ? "id" : "name"]);
    if (licence["limits"].is_null()) {
      line(fmt::format("{}: {}", name, say("unknown_licence")));
    } else {
      line(fmt::format("{}: {}", name, say(text(licence["kind"]))));
      for (const Json& limit : licence["limits"]) {
        line(std::string("- ") + limit_text(text(limit), is_korean_));
      }
    }
    line(fmt::format("{}: {}", say("stated_in"), text(licence["source"])));
  }
  void print_origin() {
    head("origin");
    const Json& origin = card_["origin"];
    if (text(origin["kind"]) == "unknown") line(say("by_hand"));
    for (const auto& [key, value] : origin.items()) {
      if (value.is_null() || text(value) == "unknown") continue;
      line(fmt::format("{}: {}", key, text(value)));
    }
  }
  void print_structure() {
    head("shape");
    for (const auto& [key, value] : card_["structure"].items()) {
      if (!value.is_array()) line(fmt::format("{}: {}", key, text(value)));
    }
    for (const Json& part : card_["structure"]["weights"]) {
      line(
          fmt::format("{}: {}", text(part["format"]), format_bytes(part["bytes"].get<uint64_t>())));
    }
  }
  void print_lineage() {
    head("lineage");
    const Json& lineage = card_["lineage"];
    if (lineage["parents"].empty() && lineage["data"].empty()) return line(say("nothing"));
    const auto list = [&](const char* key, const char* word) {
      for (const Json& one : lineage[key]) {
        const Json name = one.is_object() ? one.value("name", Json()) : Json();
        const Json sha = one.is_object() ? one.value("sha256", Json()) : Json();
        line(fmt::format("{}: {}{}", say(word), text(name),
                         sha.is_string() ? " " + text(sha) : std::string()));
      }
    };
    list("parents", "parent");
    list("data", "data");
    if (!lineage["settings"].is_null()) {
      line(fmt::format("{}: {}", say("settings"), text(lineage["settings"])));
    }
  }

  const Json& card_;
  const bool is_korean_;
  std::string out_;
};

}  // namespace

std::string print_card(const Json& card, CardLanguage language) {
  return Printer(card, language == CardLanguage::kKorean).print();
}

}  // namespace maru::service
