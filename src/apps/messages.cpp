#include "apps/messages.h"

#include <array>
#include <cstdlib>

#include "base/check.h"

namespace maru::apps {
namespace {

struct Row {
  Message message;
  std::string_view english;
  std::string_view korean;
};

constexpr std::array<Row, static_cast<size_t>(Message::kCount)> kTable = {{
    {Message::kError, "error: {}", "오류: {}"},
    {Message::kHint, "hint: {}", "도움말: {}"},
    {Message::kLoading, "Loading {} ...", "{} 모델을 불러오는 중 ..."},
    {Message::kUsingServer, "Using the server at {} (model {}).",
     "{} 서버를 사용합니다 (모델 {})."},
    {Message::kSmallerContext, "Context: {} of the model's {} tokens.",
     "컨텍스트: 모델의 {1} 토큰 가운데 {0} 토큰."},
    {Message::kServing, "Maru serves {} at {}", "마루가 {1} 에서 {0} 모델을 제공합니다"},
    {Message::kServeNext,
     R"(
Try it:
  curl {0}/v1/chat/completions -H 'Content-Type: application/json'{2} \
    -d '{{"model": "{1}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

With the official Python client (pip install openai):
  from openai import OpenAI
  client = OpenAI(base_url="{0}/v1", api_key="{3}")
  answer = client.chat.completions.create(
      model="{1}", messages=[{{"role": "user", "content": "Hello!"}}])
  print(answer.choices[0].message.content)

In this terminal: maru chat. Ctrl-C stops the server.)",
     R"(
사용해 보세요:
  curl {0}/v1/chat/completions -H 'Content-Type: application/json'{2} \
    -d '{{"model": "{1}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

공식 Python 클라이언트 (pip install openai):
  from openai import OpenAI
  client = OpenAI(base_url="{0}/v1", api_key="{3}")
  answer = client.chat.completions.create(
      model="{1}", messages=[{{"role": "user", "content": "Hello!"}}])
  print(answer.choices[0].message.content)

터미널에서는: maru chat. Ctrl-C 를 누르면 서버가 멈춥니다.)"},
    {Message::kServeNeedsKey, "Clients need an API key: 'maru keys add NAME' makes one.",
     "클라이언트에는 API 키가 필요합니다: 'maru keys add 이름' 으로 만듭니다."},
    {Message::kStopping, "Stopping ...", "멈추는 중 ..."},
    {Message::kChatWelcome, "Chatting with {}. /help shows the commands, Ctrl-D leaves.",
     "{} 모델과 대화합니다. /help 는 명령을 보여 주고, Ctrl-D 로 나갑니다."},
    {Message::kChatHelp,
     R"(/help          shows this
/reset         forgets the conversation
/system TEXT   sets the instruction that the conversation starts with (without TEXT: none)
/save FILE     writes the conversation to a JSON file
/load FILE     goes on with a saved conversation
/exit          leaves, as Ctrl-D does
A line that ends with \ goes on with the next. """ begins and ends a text of several lines.
Ctrl-C stops an answer, or empties the line.)",
     R"(/help          이 도움말을 보여 줍니다
/reset         대화를 잊습니다
/system 글     대화를 시작하는 지시를 정합니다 (글이 없으면 지웁니다)
/save 파일     대화를 JSON 파일에 저장합니다
/load 파일     저장한 대화를 이어 갑니다
/exit          Ctrl-D 처럼 나갑니다
\ 로 끝나는 줄은 다음 줄로 이어집니다. """ 로 여러 줄의 글을 시작하고 끝냅니다.
Ctrl-C 는 답을 멈추거나 입력한 줄을 비웁니다.)"},
    {Message::kChatBye, "Goodbye.", "안녕히 가세요."},
    {Message::kChatInterrupted, "(Ctrl-D leaves)", "(나가려면 Ctrl-D)"},
    {Message::kChatStopped, "(stopped)", "(멈춤)"},
    {Message::kChatCut, "(the answer reached its limit of tokens)",
     "(답이 토큰 한도에 이르렀습니다)"},
    {Message::kChatReset, "The conversation starts anew.", "대화를 새로 시작합니다."},
    {Message::kChatSaved, "Saved {} messages to {}.", "메시지 {}개를 {} 에 저장했습니다."},
    {Message::kChatLoaded, "Loaded {} messages from {}.", "메시지 {}개를 {} 에서 불러왔습니다."},
    {Message::kChatSystem, "The instruction is set; the conversation starts anew.",
     "지시를 정했습니다. 대화를 새로 시작합니다."},
    {Message::kChatSystemNone, "There is no instruction now; the conversation starts anew.",
     "지시를 지웠습니다. 대화를 새로 시작합니다."},
    {Message::kChatUnknown, "There is no command {}. /help shows those there are.",
     "{} 명령은 없습니다. /help 로 명령을 볼 수 있습니다."},
    {Message::kChatNeedsFile, "{} needs the name of a file.", "{} 에는 파일 이름이 필요합니다."},
    {Message::kChatTooLong, "The conversation no longer fits; /reset starts a new one.",
     "대화가 너무 길어졌습니다. /reset 으로 새로 시작하세요."},
    {Message::kReadingPrompt, "reading", "읽는 중"},
    {Message::kNoModels, "There are no models in {}.", "{} 에 모델이 없습니다."},
    {Message::kBackedUp, "Copied to {} and checked: {} bytes, tables of version {}.",
     "{} 에 복사하고 검사했습니다: {} 바이트, 표 버전 {}."},
    {Message::kRestored, "Restored {} from {}: tables of version {}.",
     "{1} 에서 {0} 을(를) 복원했습니다: 표 버전 {2}."},
    {Message::kRestoredKept, "The data from before is kept as {}.",
     "이전 데이터는 {} 에 남아 있습니다."},
    {Message::kDatabaseVersion, "{}: tables of version {}; this Maru's are of version {}.",
     "{}: 표 버전 {}, 이 Maru의 표 버전은 {} 입니다."},
    {Message::kDatabaseMoved, "The tables went from version {} to {}.",
     "표를 버전 {}에서 {}(으)로 옮겼습니다."},
    {Message::kDatabaseOlder,
     "A copy from before lies beside the file. Start the older Maru now: this one upgrades again.",
     "이전 사본이 파일 옆에 있습니다. 이제 이전 Maru를 시작하십시오. 이 Maru는 다시 올립니다."},
    {Message::kServeOpen,
     "There is no account: everybody on this machine may use it without login ('maru users add' "
     "changes that).",
     "계정이 없습니다: 이 컴퓨터에서는 누구나 로그인 없이 쓸 수 있습니다 ('maru users add' 로 "
     "계정을 만들면 바뀝니다)."},
    {Message::kServeFirstAdmin,
     "There is no account yet. This link makes the first admin; it works once, for a day:\n  {}",
     "아직 계정이 없습니다. 이 링크로 첫 관리자를 만듭니다. 하루 동안 한 번만 쓸 수 있습니다:\n  "
     "{}"},
    {Message::kAskPassword, "Password: ", "비밀번호: "},
    {Message::kAskPasswordAgain, "Once more: ", "한 번 더: "},
    {Message::kNoUsers, "There are no accounts.", "계정이 없습니다."},
    {Message::kUserAdded, "Added {} ({}): {}", "{} ({}) 계정을 만들었습니다: {}"},
    {Message::kUserChanged, "Changed {}.", "{} 계정을 바꾸었습니다."},
    {Message::kNoGroups, "There are no groups.", "그룹이 없습니다."},
    {Message::kGroupLine, "{}\n  members:{}\n  allows:{}", "{}\n  구성원:{}\n  허용:{}"},
    {Message::kGroupAdded, "Added the group {}: {}", "{} 그룹을 만들었습니다: {}"},
    {Message::kGroupChanged, "Changed the group {}.", "{} 그룹을 바꾸었습니다."},
    {Message::kNoKeys, "There are no keys.", "키가 없습니다."},
    {Message::kKeyMade, "Made {}. The key is shown this once:",
     "{} 키를 만들었습니다. 키는 지금 한 번만 보여 줍니다:"},
    {Message::kKeyRevoked, "Revoked {}.", "{} 키를 취소했습니다."},
    {Message::kUsageDay, "day", "날짜"},
    {Message::kUsageModel, "model", "모델"},
    {Message::kUsageUser, "user", "사용자"},
    {Message::kUsageColumns, "requests|tokens in|cached|tokens out|cost",
     "요청|입력 토큰|캐시|출력 토큰|비용"},
    {Message::kUsageTotal, "total", "합계"},
    {Message::kUsageNone, "Nothing was used in the last {} days.",
     "최근 {}일 동안 사용한 것이 없습니다."},
    {Message::kPriceSet, "{}: in {}, cached {}, out {} per million tokens, from {} on",
     "{}: 백만 토큰당 입력 {}, 캐시 {}, 출력 {}, {} 부터"},
    {Message::kPriceRemoved, "Removed: {}", "지웠습니다: {}"},
    {Message::kNoPrices, "There are no prices: all tokens are free.",
     "가격이 없습니다. 모든 토큰이 무료입니다."},
    {Message::kNoLimits, "There are no limits.", "한도가 없습니다."},
    {Message::kSpeedModel, "model", "모델"},
    {Message::kSpeedRequests, "requests", "요청"},
    {Message::kSpeedIn, "in tokens/s", "입력 토큰/초"},
    {Message::kSpeedOut, "out tokens/s", "출력 토큰/초"},
    {Message::kSpeedBusy, "busy s", "사용 초"},
    {Message::kAuditSound, "The record is sound: {} acts.", "기록이 온전합니다: {}건."},
    {Message::kAuditFault, "The record is damaged at act {}: {}",
     "기록이 {}번째에서 손상되었습니다: {}"},
    {Message::kPullAsking, "Asking the hub ...", "허브에 묻는 중 ..."},
    {Message::kPullWaiting, "Another process brings this model in; waiting ...",
     "다른 프로세스가 이 모델을 가져오고 있습니다. 기다리는 중 ..."},
    {Message::kPullFetching, "fetching {}", "{} 받는 중"},
    {Message::kPullChecking, "checking {}", "{} 검사 중"},
    {Message::kPullCopying, "copying {}", "{} 복사 중"},
    {Message::kPullRate, "{} of {}, {}/s, {} left", "{} / {}, 초당 {}, {} 남음"},
    {Message::kPullResumed, "Going on where an earlier pull stopped: {} of {} are here.",
     "지난번에 멈춘 곳에서 이어 갑니다: {1} 가운데 {0} 를 이미 받았습니다."},
    {Message::kPulled,
     "{}: {} in {} files, every hash checked. Licence: {}. Try: maru chat --model {}",
     "{0}: 파일 {2} 개, {1}, 해시를 모두 확인했습니다. 라이선스: {3}. 써 보기: maru chat --model "
     "{4}"},
    {Message::kPullThere, "{} is here already, of the same revision.",
     "{} 모델은 같은 리비전으로 이미 있습니다."},
    {Message::kPullStopped, "Stopped. The same command goes on from here.",
     "멈췄습니다. 같은 명령으로 이어서 받을 수 있습니다."},
    {Message::kModelSound, "{}: {} files are what the manifest says.",
     "{}: 파일 {} 개가 목록과 같습니다."},
    {Message::kModelFault, "{}: {}", "{}: {}"},
    {Message::kModelRemoved, "{} is removed.", "{} 모델을 지웠습니다."},
    {Message::kBundleKeyMade,
     "The secret key is in {}; keep it safe. Whoever is to trust your bundles sets "
     "trusted_keys = [\"{}\"].",
     "비밀 키는 {} 에 있습니다. 잘 지키세요. 이 번들을 믿을 쪽에서는 trusted_keys = [\"{}\"] 를 "
     "설정합니다."},
    {Message::kBundleKeyThere, "The key in {} is used.", "{} 의 키를 씁니다."},
    {Message::kBundleWritten, "{}: {}, signed by {}", "{}: {}, 서명한 키: {}"},
    {Message::kBundleImported, "{}: {} in {} files, signature and every hash checked.",
     "{0}: 파일 {2} 개, {1}, 서명과 해시를 모두 확인했습니다."},
    {Message::kRecommendMachine,
     "{} threads ({}), {} free of {}; weights are read at {} GB/s, products run at {} GMAC/s",
     "스레드 {0} 개 ({1}), 메모리 {2} 남음 (전체 {3}); 가중치 읽기 초당 {4} GB, 곱셈 초당 {5} "
     "GMAC"},
    {Message::kRecommendColumns, "model|languages|size|memory|prompt t/s|answer t/s|licence",
     "모델|언어|크기|메모리|질문 토큰/s|답 토큰/s|라이선스"},
    {Message::kRecommendNotes, "Fetch one: maru pull {}", "받기: maru pull {}"},
    {Message::kRecommendCheck, "model|prompt t/s predicted|measured|answer t/s predicted|measured",
     "모델|질문 토큰/s 예측|실측|답 토큰/s 예측|실측"},
    {Message::kRecommendNothing, "No model of the catalogue fits into the memory that is free.",
     "남은 메모리에 들어가는 모델이 목록에 없습니다."},
    {Message::kSettingIgnored,
     "{} of the database is ignored: {} (maru config unset {} removes it)",
     "데이터베이스의 {} 설정은 쓰지 않습니다: {} (maru config unset {} 명령으로 지울 수 있습니다)"},
    {Message::kSettingsUnread, "The settings in the database can't be read: {}",
     "데이터베이스의 설정을 읽을 수 없습니다: {}"},
    {Message::kSettingRemoved,
     "{} is no longer set in the database. A running server takes that at its next start.",
     "데이터베이스에서 {} 설정을 지웠습니다. 실행 중인 서버에는 다음 시작 때 적용됩니다."},
}};

constexpr bool table_is_in_order() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (kTable[i].message != static_cast<Message>(i)) return false;
  }
  return true;
}
static_assert(table_is_in_order());

}  // namespace

std::string_view message_text(Language language, Message message) {
  MARU_CHECK(message < Message::kCount);
  const Row& row = kTable[static_cast<size_t>(message)];
  return language == Language::kKorean ? row.korean : row.english;
}

Language choose_language(const std::string& wanted) {
  std::string_view locale = wanted;
  for (const char* variable : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    if (!locale.empty()) break;
    const char* value = std::getenv(variable);
    if (value != nullptr) locale = value;
  }
  return locale.starts_with("ko") ? Language::kKorean : Language::kEnglish;
}

}  // namespace maru::apps
