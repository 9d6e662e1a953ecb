// Bytes per second of Tokenizer::encode.
//   bench_tokenizer FILE... [--benchmark_* flags]
// FILE: a tokenizer.json or a .gguf. Texts are random words of a fixed list, frequent ones more
// often (Zipf), so that the word cache sees about what it sees in prose.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace {

using maru::text::Tokenizer;

constexpr size_t kTextBytes = size_t{1} << 20;
constexpr size_t kNWords = 20'000;

// Syllables make as many words as we like without a word list in the tree.
std::string make_text(const std::vector<std::string>& syllables) {
  std::mt19937 random(1);
  std::vector<std::string> words(kNWords);
  for (size_t i = 0; i < kNWords; ++i) {
    const size_t n = 1 + random() % 3 + (i > 500 ? 1 : 0);
    for (size_t k = 0; k < n; ++k) words[i] += syllables[random() % syllables.size()];
  }
  std::string text;
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  while (text.size() < kTextBytes) {
    // Zipf's law with exponent one, by the inverse of its distribution.
    const double rank = std::exp(unit(random) * std::log(static_cast<double>(kNWords))) - 1.0;
    text += words[static_cast<size_t>(rank)];
    text += random() % 12 == 0 ? ".\n" : random() % 10 == 0 ? ", " : " ";
  }
  return text;
}

const std::vector<std::string> kEnglish{"the", "an",  "in",  "er", "re", "con", "st",   "ing", "ed",
                                        "to",  "com", "ple", "is", "at", "or",  "ment", "al",  "ly",
                                        "pro", "ver", "un",  "de", "a",  "s",   "tion", "ful"};
const std::vector<std::string> kKorean{"가", "는", "을", "이", "에", "하", "다", "고", "지", "한",
                                       "의", "로", "서", "나", "사", "람", "시", "간", "회", "문",
                                       "제", "를", "대", "화", "모", "델", "습", "니", "있", "었"};

std::unique_ptr<Tokenizer> load(const std::string& path) {
  if (!path.ends_with(".gguf")) {
    auto tokenizer = Tokenizer::from_json_file(path);
    return tokenizer.has_value() ? std::move(tokenizer).value() : nullptr;
  }
  const auto file = maru::formats::GgufFile::open(path);
  if (!file.has_value()) return nullptr;
  auto tokenizer = Tokenizer::from_gguf(*file);
  return tokenizer.has_value() ? std::move(tokenizer).value() : nullptr;
}

void encode_text(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  size_t n_tokens = 0;
  for (auto _ : state) {
    n_tokens = tokenizer.encode(text).size();
    benchmark::DoNotOptimize(n_tokens);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  state.counters["bytes_per_token"] =
      static_cast<double>(text.size()) / static_cast<double>(n_tokens);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::pair<const char*, std::string> texts[] = {{"english", make_text(kEnglish)},
                                                       {"korean", make_text(kKorean)},
                                                       {"run", std::string(kTextBytes, 'a')}};
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  for (int i = 1; i < argc; ++i) {
    auto tokenizer = load(argv[i]);
    if (tokenizer == nullptr) {
      std::fprintf(stderr, "bench_tokenizer: cannot load %s\n", argv[i]);
      return 1;
    }
    tokenizers.push_back(std::move(tokenizer));
    for (const auto& [name, text] : texts) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + argv[i]).c_str(),
                                   [&t = *tokenizers.back(), &body = text](
                                       benchmark::State& state) { encode_text(state, t, body); })
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
