// Which models of the catalogue are good for a machine: its measured speed and its memory held
// against what each of them takes. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/catalogue.h"
#include "service/model_manifest.h"

namespace maru::service {

struct MachineSpeed {
  double read_bytes_per_s = 0;  // weights of a product with one row: what bounds an answer
  double macs_per_s = 0;        // multiply-adds of a product with many rows: what bounds a prompt
};

struct PredictedSpeed {
  double prompt_tokens_per_s = 0;
  double answer_tokens_per_s = 0;
};

// Of one conversation at its beginning. `weight_bytes` are read for every token of an answer,
// `n_parameters` multiplied for every token of a prompt; attention, sampling and what is not
// overlapped are left out, so that the figures are upper bounds ('maru recommend --check').
PredictedSpeed predict_speed(const MachineSpeed& machine, uint64_t weight_bytes,
                             uint64_t n_parameters);

inline constexpr uint64_t kReckonedContext = 4096;  // tokens that memory is reckoned for
inline constexpr double kReadingSpeed = 5;          // tokens a second, about as fast as one reads

enum class Verdict : uint8_t {
  kRecommended,  // the one to take
  kFits,
  kSlow,         // fits, but answers slower than kReadingSpeed
  kTooLarge,     // for the memory
  kUnsupported,  // of a family that the engine does not compute
};
const char* verdict_name(Verdict verdict);  // "recommended"...

struct Recommendation {
  const CatalogueModel* model = nullptr;
  Verdict verdict = Verdict::kFits;
  uint64_t memory_bytes = 0;            // weights, work, and the KV of kReckonedContext tokens
  uint64_t context_length = 0;          // that there is memory for, of those the model was made for
  std::optional<PredictedSpeed> speed;  // none: not measured
};

// All that speak `language` (empty: any), in their order; they point into `models`. One is
// kRecommended at most: the first that fits and answers at kReadingSpeed or more, or else the
// fastest that fits. Without a measured speed none is, and none is kSlow.
std::vector<Recommendation> recommend(std::span<const CatalogueModel> models,
                                      const std::optional<MachineSpeed>& machine,
                                      uint64_t available_bytes, std::string_view language);

// The name under which one of these is `model`: of its repository, and with its quantisation in a
// file's name. Empty if none is.
std::string name_here(const CatalogueModel& model, std::span<const ModelManifest> manifests);

}  // namespace maru::service
