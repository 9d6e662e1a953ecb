// How long a search takes in a store of many messages: `maru_bench_search [MESSAGES]` fills a
// database of its own with Korean and English text (the same every time), 60 in 100 messages of one
// person, the rest of nine others, and prints milliseconds of each kind of search.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "service/accounts.h"
#include "service/chats.h"

namespace maru {
namespace {

constexpr size_t kVocabulary = 5'000, kWordsOfMessage = 60, kRuns = 200, kBatch = 1'000;
constexpr size_t kHangulBytes = 3, kPeople = 10, kMessagesOfChat = 50;

// Small and the same everywhere (Steele et al. 2014, SplitMix64).
class Random {
 public:
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_ = 1;
};

// The n-th of a language is said about 1/n as often as the first (Zipf).
struct Vocabulary {
  std::vector<std::string> english, korean;
};

Vocabulary make_vocabulary(Random& random) {
  constexpr std::array kSyllables = {"ra", "to", "mi",  "ve", "lon", "ker", "sta", "pi",
                                     "du", "en", "sor", "ha", "bel", "qui", "no",  "gre"};
  constexpr uint32_t kFirstHangul = 0xAC00;
  constexpr size_t kHangul = 11'172;
  Vocabulary words;
  for (size_t i = 0; i < kVocabulary; ++i) {
    std::string english, korean;
    for (size_t n = 2 + random.below(3); n > 0; --n) {
      english += kSyllables[random.below(kSyllables.size())];
    }
    for (size_t n = 2 + random.below(2); n > 0; --n) {
      // Every 20th syllable: about as many as are in use.
      utf8_append(korean, kFirstHangul + static_cast<uint32_t>(random.below(kHangul / 20) * 20));
    }
    words.english.push_back(std::move(english));
    words.korean.push_back(std::move(korean));
  }
  return words;
}

std::string make_text(Random& random, const Vocabulary& words) {
  constexpr std::array kParticles = {"", "은", "을", "에서", "으로", "하고"};
  const bool is_korean = random.below(2) == 0;
  std::string text;
  for (size_t i = 20 + random.below(2 * kWordsOfMessage - 40); i > 0; --i) {
    const auto rank =
        static_cast<size_t>(std::exp(random.unit() * std::log(static_cast<double>(kVocabulary)))) -
        1;
    text += is_korean ? words.korean[rank] + kParticles[random.below(kParticles.size())]
                      : words.english[rank];
    text += ' ';
  }
  return text;
}

std::string person(size_t n) { return "user_" + std::string(26, static_cast<char>('a' + n)); }

Status add_batch(store::Transaction& t, Random& random, const Vocabulary& words, size_t first,
                 size_t end) {
  for (size_t i = first; i < end; ++i) {
    const size_t chat_number = i / kMessagesOfChat;
    const size_t who = chat_number % kPeople < 6 ? 0 : 1 + chat_number % (kPeople - 1);
    store::Chat chat{.id = "chat_" + std::to_string(chat_number), .user_id = person(who)};
    chat.title = "chat";
    if (i % kMessagesOfChat == 0) MARU_RETURN_IF_ERROR(store::add_chat(t, chat));
    store::Message message{.id = "msg_" + std::to_string(i), .chat_id = chat.id};
    message.role = i % 2 == 0 ? "user" : "assistant";
    message.content = make_text(random, words);
    message.created_at = static_cast<int64_t>(i);
    MARU_ASSIGN_OR_RETURN(const int64_t seq, store::add_message(t, chat.user_id, message));
    MARU_RETURN_IF_ERROR(service::index_content(t, chat.user_id, chat, seq, message.content));
  }
  return {};
}

Status measure(const service::Chats& chats, const char* name, const std::string& owner,
               const std::vector<std::string>& queries) {
  std::vector<double> milliseconds;
  size_t n_found = 0;
  for (size_t i = 0; i < kRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    MARU_ASSIGN_OR_RETURN(const auto page,
                          chats.search(owner, queries[i % queries.size()], "", 20));
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    milliseconds.push_back(taken.count());
    n_found += page.found.size();
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("%-34s %8.1f %8.2f %8.2f %8.2f\n", name,
              static_cast<double>(n_found) / static_cast<double>(kRuns), milliseconds[kRuns / 2],
              milliseconds[kRuns * 95 / 100], milliseconds.back());
  return {};
}

std::vector<std::string> slice(const std::vector<std::string>& words, size_t first, size_t n) {
  return {words.begin() + static_cast<std::ptrdiff_t>(first),
          words.begin() + static_cast<std::ptrdiff_t>(first + n)};
}

Status run(const std::string& path, size_t n_messages) {
  MARU_ASSIGN_OR_RETURN(const auto database, service::open_database(path));
  Random random;
  const Vocabulary words = make_vocabulary(random);
  for (size_t first = 0; first < n_messages; first += kBatch) {
    MARU_RETURN_IF_ERROR(database->write([&](store::Transaction& t) {
      return add_batch(t, random, words, first, std::min(first + kBatch, n_messages));
    }));
  }
  const service::Chats chats(database, std::make_shared<service::Changes>());
  std::printf("%zu messages; milliseconds of %zu searches each\n", n_messages, kRuns);
  std::printf("%-34s %8s %8s %8s %8s\n", "", "found", "p50", "p95", "max");
  const std::string ann = person(0), bob = person(3);
  std::vector<std::string> parts, two_letters, both, sentences;
  for (size_t i = 0; i < 20; ++i) {
    two_letters.push_back(words.korean[i].substr(0, 2 * kHangulBytes));
    parts.push_back(words.english[i].substr(0, 3));
    both.push_back(words.english[i] + " " + words.english[kVocabulary - 1 - i]);
    sentences.push_back(words.korean[i] + " " + words.korean[i + 1] + " " + words.korean[i + 2]);
  }
  MARU_RETURN_IF_ERROR(measure(chats, "common English words", ann, slice(words.english, 0, 20)));
  MARU_RETURN_IF_ERROR(measure(chats, "rare English words", ann, slice(words.english, 4900, 50)));
  MARU_RETURN_IF_ERROR(measure(chats, "common Korean words", ann, slice(words.korean, 0, 20)));
  MARU_RETURN_IF_ERROR(measure(chats, "rare Korean words", ann, slice(words.korean, 4900, 50)));
  MARU_RETURN_IF_ERROR(measure(chats, "Korean words of two letters", ann, two_letters));
  MARU_RETURN_IF_ERROR(measure(chats, "one Korean letter", ann, {"가", "나", "은"}));
  MARU_RETURN_IF_ERROR(measure(chats, "beginnings of three letters", ann, parts));
  MARU_RETURN_IF_ERROR(measure(chats, "beginnings of one letter", ann, {"r", "s", "q", "x"}));
  MARU_RETURN_IF_ERROR(measure(chats, "a common and a rare word", ann, both));
  MARU_RETURN_IF_ERROR(measure(chats, "three common words", ann, sentences));
  MARU_RETURN_IF_ERROR(measure(chats, "nothing found", ann, {"xyzzy", "없는낱말", "raraxx"}));
  MARU_RETURN_IF_ERROR(
      measure(chats, "common words, another person", bob, slice(words.english, 0, 20)));
  return measure(chats, "common words, a person with nothing", "user_none",
                 slice(words.english, 0, 20));
}

}  // namespace
}  // namespace maru

int main(int argc, char** argv) {
  const size_t n_messages = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
  std::string folder = (std::filesystem::temp_directory_path() / "maru-search-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  const maru::Status status = maru::run(folder + "/maru.db", n_messages);
  std::filesystem::remove_all(folder);
  if (status) return 0;
  std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
  return 1;
}
