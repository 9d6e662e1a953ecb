// A model before its weights are loaded: source, family and checked configuration.
#pragma once

#include <string>

#include "base/result.h"
#include "models/family.h"
#include "models/model.h"
#include "models/source.h"
#include "models/weights.h"
#include "nn/compile.h"

namespace maru::models {

struct PreparedModel {
  ModelSource source;
  const Family* family = nullptr;
  ModelConfig config;
  KvLayout kv;
  Precision precision = Precision::kStandard;
};

// Opens and reads everything but the weights.
Result<PreparedModel> prepare_model(const std::string& path, kernels::KvType kv_type,
                                    Precision precision);

// Groups layers by window and gives each its place in its group's pages.
KvLayout plan_kv(ModelConfig& config, kernels::KvType type);

// Records the family's blocks between embedding and head, and compiles them.
nn::Program compile_model(const PreparedModel& model, const Weights& weights, bool fused);

// `fingerprint`: fingerprint_of(), or what a cache remembers of it.
ModelInfo describe_model(const PreparedModel& model, uint64_t fingerprint);

// Of configuration, tensor directory and samples of every tensor.
uint64_t fingerprint_of(const ModelSource& source);

// What a cache of packed weights must come from. Reads no tensor.
tensor::PackedOrigin origin_of(const ModelSource& source);

}  // namespace maru::models
