#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <numeric>

#include "api/encode.h"
#include "apps/command.h"
#include "apps/encoders.h"
#include "apps/files.h"
#include "apps/options.h"
#include "apps/terminal.h"
#include "base/json.h"

namespace maru::apps {
namespace {

constexpr size_t kMaxTextBytes = size_t{256} << 20;
constexpr size_t kTextsAtOnce = 512;

struct Arguments {
  std::string model, file, text, other;
  bool truncates = false;
  uint32_t n_rounds = 0;
};

Result<service::PreparedTexts> prepare(const service::EmbeddingService& service,
                                       const std::vector<std::string>& texts, bool truncates) {
  const std::vector<service::EncoderPrompt> prompts(texts.begin(), texts.end());
  return service::prepare_texts(service.models().front(), prompts, {truncates, std::nullopt});
}

Result<service::EncodedRows> compute(service::EmbeddingService& service,
                                     service::PreparedTexts prepared) {
  auto promise = std::make_shared<std::promise<Result<service::EncodedRows>>>();
  auto rows = promise->get_future();
  MARU_ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t id,
                        service.submit(std::move(prepared), [promise](auto result) {
                          promise->set_value(std::move(result));
                        }));
  return rows.get();
}

Result<service::EncodedRows> embed(service::EmbeddingService& service,
                                   const std::vector<std::string>& texts, bool truncates) {
  MARU_ASSIGN_OR_RETURN(auto prepared, prepare(service, texts, truncates));
  return compute(service, std::move(prepared));
}

// Those that are not empty.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// How long all texts take, tokenised before: {"tokens": n, "seconds": [of each round]}.
Result<int> print_times(service::EmbeddingService& service, const std::string& text,
                        const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto prepared, prepare(service, lines_of(text), arguments.truncates));
  if (prepared.inputs.empty()) return Error{ErrorCode::kInvalidArgument, "the file has no text"};
  std::vector<double> seconds;
  for (uint32_t round = 0; round < arguments.n_rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    MARU_ASSIGN_OR_RETURN([[maybe_unused]] const auto rows, compute(service, prepared));
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    seconds.push_back(taken.count());
  }
  const Json line{{"tokens", prepared.n_tokens}, {"seconds", seconds}};
  return write_stdout(dump_json(line) + "\n") ? 0 : kExitFailure;
}

// One line of JSON for each line of the text.
Result<int> print_vectors(service::EmbeddingService& service, const std::string& text,
                          bool truncates) {
  const std::vector<std::string> lines = lines_of(text);
  for (size_t begin = 0; begin < lines.size(); begin += kTextsAtOnce) {
    const auto first = lines.begin() + static_cast<std::ptrdiff_t>(begin);
    const size_t n = std::min(kTextsAtOnce, lines.size() - begin);
    MARU_ASSIGN_OR_RETURN(
        const auto rows,
        embed(service, {first, first + static_cast<std::ptrdiff_t>(n)}, truncates));
    for (const std::vector<float>& row : rows) {
      std::string line;
      api::append_floats(line, row);
      if (!write_stdout(line + "\n")) return kExitFailure;
    }
  }
  return 0;
}

Result<int> print_cosine(service::EmbeddingService& service, const Arguments& arguments) {
  MARU_ASSIGN_OR_RETURN(const auto rows,
                        embed(service, {arguments.text, arguments.other}, arguments.truncates));
  const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const double norms = std::sqrt(dot(rows[0], rows[0]) * dot(rows[1], rows[1]));
  const double cosine = norms > 0 ? dot(rows[0], rows[1]) / norms : 0;
  return write_stdout(fmt::format("{:.6f}\n", cosine)) ? 0 : kExitFailure;
}

Result<int> run(const Arguments& arguments, const Context& context) {
  const bool has_texts = !arguments.text.empty();
  if (has_texts != !arguments.other.empty() || has_texts == !arguments.file.empty()) {
    return Error{ErrorCode::kInvalidArgument, "give either --file or two texts to compare",
                 "maru embed MODEL --text 'one' --with 'another'"};
  }
  service::Settings settings = context.settings();
  settings.embedding_model = arguments.model;
  settings.rerank_model.clear();
  MARU_ASSIGN_OR_RETURN(const auto service, start_encoders(settings));
  if (has_texts) return print_cosine(*service, arguments);
  MARU_ASSIGN_OR_RETURN(const std::string text, read_input(arguments.file, kMaxTextBytes));
  if (arguments.n_rounds > 0) return print_times(*service, text, arguments);
  return print_vectors(*service, text, arguments.truncates);
}

CommandBody declare(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.argument("MODEL", arguments->model, "embedding model: a folder, or a name");
  options.text("-f,--file", arguments->file, "texts to read, one a line ('-': standard input)");
  options.text("--text", arguments->text, "a text to compare with another");
  options.text("--with", arguments->other, "the other text");
  options.toggle("--truncate", arguments->truncates, "leave out the end of what is too long");
  options.number("--time", arguments->n_rounds, 0, 1000,
                 "print how long all texts take, so many times, instead of vectors");
  options.setting("threads");
  options.examples(
      "  maru embed all-MiniLM-L6-v2 --file lines.txt > vectors.jsonl\n"
      "  maru embed all-MiniLM-L6-v2 --text 'a cat' --with 'a dog'\n"
      "Prints a JSON array of numbers for each line that is not empty, or the cosine of two "
      "texts.");
  return [arguments](const Context& context) { return run(*arguments, context); };
}

}  // namespace

extern const Command command_embed;
const Command command_embed{"embed", "print the vectors of texts, or how alike two are", 55,
                            declare};

}  // namespace maru::apps
