#include "service/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"

namespace maru::service {

struct EmbeddingService::Impl {
  struct Job {
    uint64_t id;
    PreparedTexts texts;
    EncodeHandler handler;
    size_t n_taken = 0, n_done = 0;
    bool is_cancelled = false;
    EncodedRows rows;
  };
  using JobPointer = std::shared_ptr<Job>;
  // A text of a running step.
  struct Place {
    JobPointer job;
    size_t index;
  };
  using Workspace = decltype(std::declval<models::Encoder>().make_workspace(0));

  Impl(std::vector<ServedEncoder> served, const EmbeddingOptions& how)
      : options(how), pool(how.n_threads) {
    for (ServedEncoder& model : served) {
      workspaces.push_back(model.encoder->make_workspace(how.n_threads));
      models.push_back(std::make_shared<const ServedEncoder>(std::move(model)));
    }
    thread = std::thread([this] { serve(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_one();
    thread.join();
    for (const JobPointer& job : jobs) {
      job->handler(Error{ErrorCode::kUnavailable, "the server is stopping", "try again later"});
    }
  }

  void serve() {
    while (true) {
      std::vector<Place> step;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return stopping || !jobs.empty(); });
        if (stopping) return;
        step = plan();
      }
      if (!step.empty()) run(step);
      finish();
    }
  }

  // One text of each request for the first one's model, and so on until the step is full. Holds the
  // lock.
  std::vector<Place> plan() {
    std::vector<Place> step;
    std::erase_if(jobs, [](const JobPointer& job) { return job->is_cancelled; });
    if (jobs.empty()) return step;
    const ServedEncoder& model = *jobs.front()->texts.model;
    size_t n_rows = 0;
    for (bool took = true; took;) {
      took = false;
      for (const JobPointer& job : jobs) {
        const auto& inputs = job->texts.inputs;
        if (job->texts.model.get() != &model || job->n_taken == inputs.size()) continue;
        const size_t n = inputs[job->n_taken].tokens.size();
        if (step.size() == models::Encoder::kMaxTexts || n_rows + n > model.encoder->max_rows()) {
          return step;
        }
        step.push_back({job, job->n_taken++});
        n_rows += n;
        took = true;
      }
    }
    return step;
  }

  void run(const std::vector<Place>& step) {
    const ServedEncoder& model = *step.front().job->texts.model;
    std::vector<models::EncoderText> texts;
    for (const Place& place : step) {
      const text::EncoderInput& input = place.job->texts.inputs[place.index];
      texts.push_back({input.tokens, input.types});
    }
    const size_t n_out = model.encoder->info().n_out();
    std::vector<float> out(step.size() * n_out);
    const auto at = std::find_if(models.begin(), models.end(),
                                 [&](const auto& other) { return other.get() == &model; });
    auto& workspace = workspaces[static_cast<size_t>(at - models.begin())];
    model.encoder->run(texts, pool, *workspace, out.data());
    for (size_t i = 0; i < step.size(); ++i) {
      Job& job = *step[i].job;
      job.rows[step[i].index].assign(out.begin() + static_cast<std::ptrdiff_t>(i * n_out),
                                     out.begin() + static_cast<std::ptrdiff_t>((i + 1) * n_out));
      ++job.n_done;
    }
  }

  // Answers what is complete; the one that was first becomes the last.
  void finish() {
    std::vector<JobPointer> complete;
    {
      const std::lock_guard lock(mutex);
      std::erase_if(jobs, [&](const JobPointer& job) {
        if (job->n_done < job->texts.inputs.size()) return false;
        if (!job->is_cancelled) complete.push_back(job);
        return true;
      });
      if (jobs.size() > 1) std::rotate(jobs.begin(), jobs.begin() + 1, jobs.end());
    }
    for (const JobPointer& job : complete) job->handler(checked(std::move(job->rows)));
  }

  static Result<EncodedRows> checked(EncodedRows rows) {
    for (const auto& row : rows) {
      for (const float x : row) {
        if (!std::isfinite(x)) {
          return Error{ErrorCode::kInternal, "the model gave values that are no numbers",
                       "check the model's files"};
        }
      }
    }
    return rows;
  }

  const EmbeddingOptions options;
  ThreadPool pool;
  std::vector<std::shared_ptr<const ServedEncoder>> models;
  std::vector<Workspace> workspaces;  // by model
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<JobPointer> jobs;
  uint64_t next_id = 1;
  bool stopping = false;
  std::thread thread;
};

EmbeddingService::EmbeddingService(std::vector<ServedEncoder> models, EmbeddingOptions options)
    : impl_(std::make_unique<Impl>(std::move(models), options)) {}

EmbeddingService::~EmbeddingService() = default;

const std::vector<std::shared_ptr<const ServedEncoder>>& EmbeddingService::models() const {
  return impl_->models;
}

uint64_t EmbeddingService::memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& model : impl_->models) bytes += model->encoder->info().memory_bytes;
  return bytes;
}

std::shared_ptr<const ServedEncoder> EmbeddingService::find(const std::string& name,
                                                            bool is_reranker) const {
  std::shared_ptr<const ServedEncoder> found;
  for (const auto& model : impl_->models) {
    if (model->is_reranker() != is_reranker || (!name.empty() && model->name != name)) continue;
    if (found != nullptr) return nullptr;
    found = model;
  }
  return found;
}

Result<uint64_t> EmbeddingService::submit(PreparedTexts texts, EncodeHandler handler) {
  MARU_CHECK(!texts.inputs.empty());
  auto job = std::make_shared<Impl::Job>();
  job->rows.resize(texts.inputs.size());
  job->texts = std::move(texts);
  job->handler = std::move(handler);
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping) return Error{ErrorCode::kUnavailable, "the server is stopping"};
    if (impl_->jobs.size() >= impl_->options.max_waiting) {
      return Error{ErrorCode::kRateLimited,
                   fmt::format("{} requests for embeddings are waiting", impl_->jobs.size()),
                   "try again in a moment"};
    }
    job->id = impl_->next_id++;
    impl_->jobs.push_back(job);
  }
  impl_->wake.notify_one();
  return job->id;
}

void EmbeddingService::cancel(uint64_t id) {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& job : impl_->jobs) {
    if (job->id == id) job->is_cancelled = true;
  }
}

}  // namespace maru::service
