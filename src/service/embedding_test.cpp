// The whole way from texts to vectors, against sentence-transformers (tests/cases/embeddings,
// written by tools/oracle/make_embedding_goldens.py), and the service's queue.
#include "service/embedding.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <future>
#include <numeric>

#include "base/files.h"
#include "base/json.h"
#include "kernels/dispatch.h"

namespace maru::service {
namespace {

std::string cases_folder() { return std::string(MARU_SOURCE_DIR) + "/tests/cases/embeddings"; }

Json read_cases(const std::string& name) {
  const auto text = read_file(cases_folder() + "/" + name, size_t{16} << 20);
  EXPECT_TRUE(text.has_value()) << name;
  auto json = parse_json(text.has_value() ? *text : "null");
  EXPECT_TRUE(json.has_value()) << name;
  return json.has_value() ? *json : Json();
}

std::vector<float> floats_of(const std::string& base64) {
  std::vector<uint8_t> bytes;
  uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : base64) {
    const char* const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char* const at = std::strchr(alphabet, c);
    if (at == nullptr || c == '\0') break;
    bits = bits << 6 | static_cast<uint32_t>(at - alphabet);
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    bytes.push_back(static_cast<uint8_t>(bits >> n_bits));
  }
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto dot = [](const auto& x, const auto& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  EXPECT_EQ(a.size(), b.size());
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

ServedEncoder load(const std::string& folder, kernels::Isa isa = kernels::detect_isa()) {
  ThreadPool pool(2);
  auto served = load_encoder({"model", folder, ModelKind::kHuggingFace}, isa, pool);
  EXPECT_TRUE(served.has_value()) << served.error().to_string();
  return served.has_value() ? *std::move(served) : ServedEncoder{};
}

Result<EncodedRows> encode(EmbeddingService& service, const std::vector<std::string>& texts,
                           const EncodeOptions& options) {
  const std::vector<EncoderPrompt> prompts(texts.begin(), texts.end());
  MARU_ASSIGN_OR_RETURN(auto prepared, prepare_texts(service.models().front(), prompts, options));
  auto promise = std::make_shared<std::promise<Result<EncodedRows>>>();
  auto rows = promise->get_future();
  MARU_ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t id,
                        service.submit(std::move(prepared), [promise](auto result) {
                          promise->set_value(std::move(result));
                        }));
  return rows.get();
}

// The bar of embeddings: a cosine of at least 0.9999 with the reference, for each text.
void expect_vectors(const std::string& folder, const Json& cases, kernels::Isa isa,
                    size_t most_tokens) {
  SCOPED_TRACE(kernels::isa_name(isa));
  EmbeddingService service({load(folder, isa)}, {.n_threads = 2});
  std::vector<std::string> texts;
  std::vector<std::vector<float>> wanted;
  for (const Json& test : cases) {
    if (test.value("n_tokens", size_t{0}) > most_tokens) continue;
    texts.push_back(test["text"].get<std::string>());
    wanted.push_back(floats_of(test["vector"].get<std::string>()));
  }
  ASSERT_GE(texts.size(), 8u);
  const auto rows = encode(service, texts, {.truncates = true});
  ASSERT_TRUE(rows.has_value()) << rows.error().to_string();
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_GE(cosine((*rows)[i], wanted[i]), 0.9999) << texts[i];
    const double length =
        std::sqrt(std::inner_product(wanted[i].begin(), wanted[i].end(), wanted[i].begin(), 0.0));
    double distance = 0;
    for (size_t j = 0; j < wanted[i].size(); ++j) {
      distance += std::pow(static_cast<double>((*rows)[i][j]) - wanted[i][j], 2);
    }
    EXPECT_LE(std::sqrt(distance) / length, 0.015) << texts[i];  // the length is right, too
  }
}

TEST(Embedding, MiniLmEqualsSentenceTransformers) {
  const char* folder = std::getenv("MARU_TEST_MODELS");
  ASSERT_NE(folder, nullptr) << "set MARU_TEST_MODELS to the folder that holds all-MiniLM-L6-v2";
  const Json cases = read_cases("minilm.json")["cases"];
  for (const kernels::Isa isa : kernels::supported_isas()) {
    // The scalar kernels would take a minute for the long texts.
    const size_t most = isa == kernels::Isa::kScalar ? 16 : 100'000;
    expect_vectors(std::string(folder) + "/all-MiniLM-L6-v2", cases, isa, most);
  }
}

TEST(Embedding, FirstTokenWithoutNormalisationEqualsTransformers) {
  for (const kernels::Isa isa : kernels::supported_isas()) {
    expect_vectors(cases_folder() + "/tiny-embedder", read_cases("tiny-embedder/cases.json"), isa,
                   100'000);
  }
}

TEST(Embedding, PairsEqualTransformersAndKeepTheirTypes) {
  EmbeddingService service({load(cases_folder() + "/tiny-reranker")}, {});
  const auto model = service.find("", true);
  ASSERT_NE(model, nullptr);
  for (const Json& test : read_cases("tiny-reranker/cases.json")) {
    const auto pairs = prepare_pairs(model, test["query"], {test["document"]}, {});
    ASSERT_TRUE(pairs.has_value()) << pairs.error().to_string();
    EXPECT_EQ(pairs->inputs[0].tokens, test["ids"].get<std::vector<text::TokenId>>());
    std::promise<Result<EncodedRows>> promise;
    ASSERT_TRUE(service.submit(*pairs, [&](auto rows) { promise.set_value(rows); }).has_value());
    const auto rows = promise.get_future().get();
    ASSERT_TRUE(rows.has_value());
    EXPECT_NEAR((*rows)[0][0], test["logit"].get<float>(), 5e-3f);
  }
  EXPECT_FLOAT_EQ(relevance_of(0), 0.5f);
}

TEST(Embedding, LongTextsAreRefusedWithCountsOrCut) {
  EmbeddingService service({load(cases_folder() + "/tiny-embedder")}, {});
  std::string text;
  for (int i = 0; i < 200; ++i) text += "cat ";
  const auto refused = encode(service, {"dog", text}, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(refused.error().param, "input[1]");
  EXPECT_NE(refused.error().message.find("202"), std::string::npos);
  EXPECT_NE(refused.error().message.find("96"), std::string::npos);
  const auto cut = encode(service, {text, text.substr(0, 94 * 4)}, {.truncates = true});
  ASSERT_TRUE(cut.has_value()) << cut.error().to_string();
  EXPECT_EQ((*cut)[0], (*cut)[1]);
  const auto limited = encode(service, {"cat cat cat"}, {.max_tokens = 4});
  ASSERT_FALSE(limited.has_value());
  EXPECT_EQ(limited.error().code, ErrorCode::kTooLarge);
}

TEST(Embedding, TokensEqualTheirTextAndBadOnesAreNamed) {
  EmbeddingService service({load(cases_folder() + "/tiny-embedder")}, {});
  const auto model = service.models().front();
  const auto ids = model->tokenizer->encode("maru is fast!");
  const auto prepared = prepare_texts(model, {std::string("maru is fast!"), ids}, {});
  ASSERT_TRUE(prepared.has_value());
  EXPECT_EQ(prepared->inputs[0].tokens, prepared->inputs[1].tokens);
  EXPECT_EQ(prepared->n_tokens, 2 * prepared->inputs[0].tokens.size());
  const auto bad = prepare_texts(model, {ids, std::vector<text::TokenId>{4711}}, {});
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().param, "input[1]");
}

// Many requests of many texts at once: each gets what it would get alone.
TEST(Embedding, RequestsShareStepsAndNotResults) {
  EmbeddingService service({load(cases_folder() + "/tiny-embedder")},
                           {.n_threads = 2, .max_waiting = 50});
  const auto text_of = [](size_t request, size_t i) {
    std::string text;
    for (size_t n = 0; n < 1 + (request * 7 + i * 3) % 40; ++n) {
      text += n % 3 == request % 3 ? "river " : i % 2 == 0 ? "runs " : "서울! ";
    }
    return text;
  };
  std::vector<std::future<Result<EncodedRows>>> futures;
  for (size_t request = 0; request < 20; ++request) {
    futures.push_back(std::async(std::launch::async, [&, request] {
      std::vector<std::string> texts;
      for (size_t i = 0; i < 5 + request * 4; ++i) texts.push_back(text_of(request, i));
      return encode(service, texts, {});
    }));
  }
  for (size_t request = 0; request < futures.size(); ++request) {
    const auto rows = futures[request].get();
    ASSERT_TRUE(rows.has_value()) << rows.error().to_string();
    for (const size_t i : {size_t{0}, rows->size() - 1}) {
      const auto alone = encode(service, {text_of(request, i)}, {});
      ASSERT_TRUE(alone.has_value());
      EXPECT_EQ((*rows)[i], (*alone)[0]);
    }
  }
}

TEST(Embedding, RefusesWhatTheQueueCannotHoldAndForgetsWhatIsCancelled) {
  std::promise<void> entered, release;
  auto released = release.get_future().share();
  std::atomic<int> n_called = 0;
  EmbeddingService service({load(cases_folder() + "/tiny-embedder")}, {.max_waiting = 2});
  const auto prepared = prepare_texts(service.models().front(), {std::string("cat")}, {}).value();
  ASSERT_TRUE(service
                  .submit(prepared,
                          [&](const auto&) {
                            entered.set_value();
                            released.wait();
                          })
                  .has_value());
  entered.get_future().wait();  // the thread is held by the handler
  const auto second = service.submit(prepared, [&](const auto&) { ++n_called; });
  std::promise<void> done;
  ASSERT_TRUE(service.submit(prepared, [&](const auto&) { done.set_value(); }).has_value());
  const auto refused = service.submit(prepared, [](const auto&) {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kRateLimited);
  ASSERT_TRUE(second.has_value());
  service.cancel(*second);
  release.set_value();
  done.get_future().wait();
  EXPECT_EQ(n_called, 0);
}

TEST(Embedding, ShorteningGivesALengthOfOne) {
  std::vector<float> vector = {3, 4, 12};
  shorten(vector, 2);
  EXPECT_EQ(vector, (std::vector<float>{0.6f, 0.8f}));
  shorten(vector, 5);
  EXPECT_EQ(vector.size(), 2u);
}

}  // namespace
}  // namespace maru::service
