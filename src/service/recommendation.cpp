#include "service/recommendation.h"

#include <algorithm>
#include <cctype>

#include "models/family.h"

namespace maru::service {
namespace {

constexpr uint64_t kWorkBytes = uint64_t{512} << 20;  // buffers, tokenizer and the program

bool is_supported(const CatalogueModel& model) {
  const auto families = models::all_families();
  return std::any_of(families.begin(), families.end(),
                     [&](const models::Family* family) { return model.family == family->name; });
}

bool speaks(const CatalogueModel& model, std::string_view language) {
  return language.empty() || std::find(model.languages.begin(), model.languages.end(), language) !=
                                 model.languages.end();
}

uint64_t fitting_context(const CatalogueModel& model, uint64_t available_bytes) {
  const uint64_t fixed = model.bytes + kWorkBytes;
  if (available_bytes <= fixed) return 0;
  return std::min((available_bytes - fixed) / model.kv_bytes_per_token, model.context_length);
}

Recommendation judge(const CatalogueModel& model, const std::optional<MachineSpeed>& machine,
                     uint64_t available_bytes) {
  Recommendation judged;
  judged.model = &model;
  judged.memory_bytes = model.bytes + model.kv_bytes_per_token * kReckonedContext + kWorkBytes;
  judged.context_length = fitting_context(model, available_bytes);
  if (machine) judged.speed = predict_speed(*machine, model.bytes, model.n_active_parameters);
  if (!is_supported(model)) {
    judged.verdict = Verdict::kUnsupported;
  } else if (judged.memory_bytes > available_bytes) {
    judged.verdict = Verdict::kTooLarge;
  } else if (judged.speed && judged.speed->answer_tokens_per_s < kReadingSpeed) {
    judged.verdict = Verdict::kSlow;
  }
  return judged;
}

bool holds(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

}  // namespace

PredictedSpeed predict_speed(const MachineSpeed& machine, uint64_t weight_bytes,
                             uint64_t n_parameters) {
  return {machine.macs_per_s / static_cast<double>(std::max<uint64_t>(n_parameters, 1)),
          machine.read_bytes_per_s / static_cast<double>(std::max<uint64_t>(weight_bytes, 1))};
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRecommended: return "recommended";
    case Verdict::kFits: return "fits";
    case Verdict::kSlow: return "slow";
    case Verdict::kTooLarge: return "too_large";
    case Verdict::kUnsupported: return "unsupported";
  }
  return "";
}

std::vector<Recommendation> recommend(std::span<const CatalogueModel> models,
                                      const std::optional<MachineSpeed>& machine,
                                      uint64_t available_bytes, std::string_view language) {
  std::vector<Recommendation> list;
  for (const CatalogueModel& model : models) {
    if (speaks(model, language)) list.push_back(judge(model, machine, available_bytes));
  }
  if (!machine) return list;
  const auto with = [&](Verdict verdict) {
    return std::find_if(list.begin(), list.end(),
                        [&](const Recommendation& one) { return one.verdict == verdict; });
  };
  auto best = with(Verdict::kFits);
  if (best == list.end()) {
    best = with(Verdict::kSlow);
    for (auto one = best; one != list.end(); ++one) {
      if (one->verdict != Verdict::kSlow) continue;
      if (one->speed->answer_tokens_per_s > best->speed->answer_tokens_per_s) best = one;
    }
  }
  if (best != list.end()) best->verdict = Verdict::kRecommended;
  return list;
}

std::string name_here(const CatalogueModel& model, std::span<const ModelManifest> manifests) {
  for (const ModelManifest& manifest : manifests) {
    if (manifest.origin.repository != model.repository) continue;
    const bool has_file =
        std::any_of(manifest.files.begin(), manifest.files.end(), [&](const ModelFile& file) {
          return holds(file.path, model.quantisation.empty() ? ".safetensors" : model.quantisation);
        });
    if (has_file) return manifest.name;
  }
  return {};
}

}  // namespace maru::service
