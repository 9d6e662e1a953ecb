#include <utility>

#include "engine/step_runner.h"

namespace maru::engine {
namespace {

class ModelRunner final : public StepRunner {
 public:
  ModelRunner(std::shared_ptr<const models::Model> model, ThreadPool& pool, size_t max_rows)
      : model_(std::move(model)),
        pool_(pool),
        max_rows_(max_rows),
        workspace_(model_->make_workspace(max_rows, pool.size())) {}

  const models::KvLayout& kv_layout() const override { return model_->kv_layout(); }
  uint32_t vocab_size() const override { return model_->info().vocab_size; }
  uint32_t context_length() const override { return model_->info().context_length; }
  uint64_t fingerprint() const override { return model_->info().fingerprint; }
  size_t max_rows() const override { return max_rows_; }

  void run(std::span<const models::StepSequence> sequences, float* logits,
           kernels::LogitBlock* blocks) override {
    model_->run(sequences, pool_, *workspace_, logits, blocks);
  }

 private:
  const std::shared_ptr<const models::Model> model_;
  ThreadPool& pool_;
  const size_t max_rows_;
  std::unique_ptr<models::Workspace, void (*)(models::Workspace*)> workspace_;
};

}  // namespace

std::unique_ptr<StepRunner> make_model_runner(std::shared_ptr<const models::Model> model,
                                              ThreadPool& pool, size_t max_rows) {
  return std::make_unique<ModelRunner>(std::move(model), pool, max_rows);
}

}  // namespace maru::engine
