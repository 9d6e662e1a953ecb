// Holds every family against the logits of Hugging Face transformers (tests/oracle/README.md), on
// every instruction set, fused and unfused, in one piece, in chunks and token by token.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "formats/npy.h"
#include "models/testing/paged_run.h"

namespace maru::models {
namespace {

namespace fs = std::filesystem;

struct Golden {
  std::string path;  // of one form of the model
  std::vector<int32_t> ids, greedy;
  std::vector<float> logits;
  double tolerance = 0.0;  // of the logits' deviation
};

std::string golden_folder() { return std::string(MARU_SOURCE_DIR) + "/tests/oracle"; }

std::vector<std::string> golden_forms() {
  std::vector<std::string> forms;
  for (const auto& entry : fs::directory_iterator(golden_folder())) {
    if (!entry.is_directory()) continue;
    const Json json =
        parse_json(read_file(entry.path().string() + "/case.json", 1 << 20).value()).value();
    for (const Json& form : json.at("models"))
      forms.push_back(entry.path().filename().string() + "/" + form.get<std::string>());
  }
  std::sort(forms.begin(), forms.end());
  return forms;
}

Golden read_golden(const std::string& form) {
  const std::string folder = golden_folder() + "/" + form.substr(0, form.find('/'));
  const Json json = parse_json(read_file(folder + "/case.json", 1 << 20).value()).value();
  Golden g;
  g.path = golden_folder() + "/" + form;
  g.ids = json.at("ids").get<std::vector<int32_t>>();
  g.greedy = json.at("greedy").get<std::vector<int32_t>>();
  g.tolerance = json.at("tolerance").get<std::string>() == "bf16" ? 2e-2 : 1e-3;
  auto npy = formats::read_npy<float>(folder + "/" + json.at("logits").get<std::string>());
  EXPECT_TRUE(npy.has_value());
  g.logits = npy->values;
  return g;
}

double deviation(const std::vector<float>& x) {
  double sum = 0.0, squares = 0.0;
  for (float v : x) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const auto n = static_cast<double>(x.size());
  return std::sqrt(squares / n - sum / n * sum / n);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= worst)) worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
  }
  return worst;
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, MatchesTransformers) {
  const Golden golden = read_golden(GetParam());
  const double allowed = golden.tolerance * deviation(golden.logits);
  for (kernels::Isa isa : kernels::supported_isas()) {
    for (bool fused : {true, false}) {
      // Two threads where the stages are those of a server; one thread is quicker on a busy
      // machine.
      ThreadPool pool(fused && isa == kernels::detect_isa() ? 2 : 1);
      auto model = Model::load(
          golden.path, {.isa = isa, .kv_type = kernels::KvType::kF32, .fused = fused}, pool);
      ASSERT_TRUE(model.has_value()) << model.error().to_string();
      for (size_t chunk : {golden.ids.size(), size_t{17}, size_t{1}}) {
        SCOPED_TRACE(std::string(kernels::isa_name(isa)) + (fused ? " fused" : " unfused") +
                     " chunk " + std::to_string(chunk));
        EXPECT_LE(
            largest_difference(testing::run_all(**model, golden.ids, chunk, pool), golden.logits),
            allowed);
      }
      std::vector<int32_t> expected = golden.ids;
      expected.insert(expected.end(), golden.greedy.begin(), golden.greedy.end());
      EXPECT_EQ(testing::continue_greedily(**model, golden.ids, golden.greedy.size(), pool),
                expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Oracle, GoldenTest, ::testing::ValuesIn(golden_forms()),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

}  // namespace
}  // namespace maru::models
