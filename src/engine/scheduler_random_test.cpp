// Thousands of small worlds from seeds: tiny budgets, shared beginnings, windows, several callers
// and tenants, cancels at any time. Every answer must be the one the request gets alone.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "base/testing/test_folder.h"
#include "engine/model_loop.h"
#include "engine/testing/fake_runner.h"

namespace maru::engine {
namespace {

using testing::FakeRunner;
using testing::FakeShape;
using testing::Told;

struct World {
  explicit World(uint64_t seed) : random(seed) {
    shape.page_tokens = pick(0, 3) == 0 ? 16 : pick(1, 6);
    switch (pick(0, 3)) {
      case 0: shape.windows = {0}; break;
      case 1: shape.windows = {0, pick(1, 9)}; break;
      case 2: shape.windows = {pick(1, 9)}; break;
      default: shape.windows = {pick(1, 6), 0, pick(5, 12)}; break;
    }
    options.max_running = pick(1, 6);
    options.chunk_multiple = pick(1, 4);
    options.max_chunk = options.chunk_multiple * pick(1, 4);
    options.max_logprob_rows = pick(1, 5);
    options.max_drafting = pick(1, 6);
    shape.habit = pick(0, 1) == 0 ? 0.0f : 5.0f;
    shape.max_rows = options.max_running + options.max_chunk;
    shape.context_length = 64;
    // From what barely holds one sequence up to plenty. Pages are 4096 bytes each here.
    // Where text repeats itself, steps are alike: guesses pay.
    log->on_run = [this](auto) {
      now += std::chrono::milliseconds(shape.habit > 0.0f ? 20 : pick(1, 200));
    };
    n_pages = pick(1, 2) == 1 ? pick(4, 30) : pick(30, 200);
    // Every fourth world has a disk, of any size and speed.
    if (seed % 4 == 0) folder.emplace();
    options.step_read_bytes = options.quiet_read_bytes = pick(1, 6) * 4096;
    disk_bytes = pick(3'000, 30'000);
    start();
    for (; !loop; ++n_pages) start();
  }

  void start() {
    auto made = ModelLoop::create("m", std::make_unique<FakeRunner>(shape, log), n_pages * 4096,
                                  options, [this] { return now; });
    if (!made) return;
    loop = *std::move(made);
    if (!folder) return;
    auto store = PrefixStore::open({.folder = folder->path(),
                                    .identity = "m",
                                    .budget_bytes = disk_bytes,
                                    .queue_bytes = pick(1, 1000)},
                                   FakeRunner(shape, log).kv_layout());
    ASSERT_TRUE(store.has_value()) << store.error().to_string();
    loop->set_store(*std::move(store));
  }

  void flush() { loop->flush(std::chrono::steady_clock::now() + std::chrono::seconds(60)); }

  // The server ends, in order or not, and begins again.
  void restart() {
    loop->cancel_all();
    if (pick(0, 2) > 0) flush();
    remember();
    loop.reset();
    start();
  }

  void remember() {
    EngineStats stats;
    loop->add_stats(stats);
    n_preempted += stats.n_preempted;
    n_drafted += stats.drafted_tokens;
    n_accepted += stats.accepted_tokens;
    n_pages_read += stats.disk_pages_read;
    ASSERT_EQ(stats.disk_pages_damaged, 0u);
  }

  uint32_t pick(uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random);
  }

  Request make_request() {
    Request r;
    r.id = next_id++;
    r.model = "m";
    r.caller = std::string(1, static_cast<char>('a' + pick(0, 2)));
    r.tenant_salt = std::string(1, static_cast<char>('s' + pick(0, 1)));
    // Begins like an earlier conversation, or with a common system prompt, or afresh.
    if (!conversations.empty() && pick(0, 2) > 0) {
      r.prompt = conversations[pick(0, static_cast<uint32_t>(conversations.size() - 1))];
      r.prompt.resize(std::min<size_t>(r.prompt.size(), pick(1, 30)));
    }
    const uint32_t n_more = pick(r.prompt.empty() ? 1 : 0, 14);
    for (uint32_t i = 0; i < n_more; ++i) {
      r.prompt.push_back(static_cast<TokenId>(pick(0, 2)));
    }
    r.max_new_tokens = pick(0, 3) == 0 ? 0 : pick(1, 24);
    const uint64_t most = loop->model().context_length;
    if (r.prompt.size() >= most) r.prompt.resize(most / 2);
    if (r.prompt.empty()) r.prompt.push_back(1);
    r.max_new_tokens =
        std::min<uint32_t>(r.max_new_tokens, static_cast<uint32_t>(most - r.prompt.size()));
    r.sampling.temperature = pick(0, 1) == 0 ? 0.0f : 1.0f;
    r.sampling.seed = pick(0, 3);
    if (pick(0, 3) == 0) r.sampling.frequency_penalty = 0.5f;
    if (pick(0, 2) == 0) r.end_tokens = {3, 5};
    r.want_prompt_logprobs = pick(0, 7) == 0;
    r.want_logprobs = pick(0, 7) == 0;
    return r;
  }

  void submit() {
    Request r = make_request();
    ASSERT_TRUE(loop->check(r).has_value());
    requests[r.id] = r;
    Told& told = heard[r.id];
    loop->add(r, [&told](const Event& event) { told.hear(event); });
  }

  // No page may be in the tables of two tenants at once.
  void check_tenants() const {
    std::map<std::pair<size_t, PageId>, std::string> owner;
    for (const auto& s : loop->scheduler().running()) {
      for (size_t g = 0; g < s->kv.pages.size(); ++g) {
        for (const PageId page : s->kv.pages[g]) {
          if (page == kNoPage) continue;
          const auto [it, is_new] = owner.emplace(std::pair(g, page), s->request.tenant_salt);
          ASSERT_EQ(it->second, s->request.tenant_salt);
        }
      }
    }
  }

  void run_to_end() {
    for (int i = 0; loop->has_work(); ++i) {
      ASSERT_LT(i, 5000) << "no end in sight";
      loop->step();
      check_tenants();
    }
  }

  void check_answer(RequestId id) {
    const Request& request = requests.at(id);
    const Told& told = heard.at(id);
    ASSERT_EQ(told.n_ends, 1u);
    ASSERT_EQ(told.n_disorder, 0u);
    ASSERT_FALSE(told.failed) << told.error.to_string();
    const testing::OracleAnswer expected = testing::fake_oracle(shape, request);
    if (told.reason == FinishReason::kCancelled) {
      ASSERT_LE(told.tokens.size(), expected.tokens.size());
      ASSERT_TRUE(std::equal(told.tokens.begin(), told.tokens.end(), expected.tokens.begin()));
      return;
    }
    ASSERT_EQ(told.tokens, expected.tokens);
    ASSERT_EQ(told.reason, expected.reason);
    ASSERT_EQ(told.usage.new_tokens, expected.n_new);
    ASSERT_EQ(told.usage.prompt_tokens, request.prompt.size());
    ASSERT_LT(told.usage.cached_tokens, request.prompt.size());
    ASSERT_EQ(told.progress.empty() ? 0u : told.progress.back(), request.prompt.size());
    if (request.want_prompt_logprobs) check_prompt_logprobs(request, told);
  }

  void check_prompt_logprobs(const Request& request, const Told& told) const {
    const auto logits = testing::fake_oracle_logits(shape, request.prompt);
    ASSERT_EQ(told.prompt_logprobs.size(), request.prompt.size() - 1);
    for (size_t i = 0; i + 1 < request.prompt.size(); ++i) {
      const auto expected = token_logprob(logits[i], request.prompt[i + 1], 0).value();
      ASSERT_EQ(told.prompt_logprobs[i].token, expected.token);
      ASSERT_EQ(told.prompt_logprobs[i].logprob, expected.logprob);
    }
  }

  std::mt19937_64 random;
  FakeShape shape;
  SchedulerOptions options;
  std::chrono::steady_clock::time_point now{};
  std::shared_ptr<FakeRunner::Log> log = std::make_shared<FakeRunner::Log>();
  std::optional<TestFolder> folder;  // outlives the loop
  uint64_t n_pages = 0, disk_bytes = 0;
  uint64_t n_preempted = 0, n_drafted = 0, n_accepted = 0, n_pages_read = 0;  // of ended loops
  std::unique_ptr<ModelLoop> loop;
  RequestId next_id = 1;
  std::map<RequestId, Request> requests;
  std::map<RequestId, Told> heard;
  std::vector<std::vector<TokenId>> conversations = {{0, 1, 2, 0, 1, 2, 0, 1, 2, 0}};
};

struct Sums {
  uint64_t n_preempted = 0, n_cached = 0, n_drafted = 0, n_accepted = 0, n_pages_read = 0;
};

void run_world(uint64_t seed, Sums& sums) {
  World world(seed);
  const uint32_t n_actions = world.pick(5, 40);
  for (uint32_t i = 0; i < n_actions; ++i) {
    const uint32_t action = world.pick(0, 9);
    if (action < 4) {
      world.submit();
    } else if (action == 4 && world.next_id > 1) {
      world.loop->cancel(world.pick(1, static_cast<uint32_t>(world.next_id - 1)));
    } else if (action == 5 && world.folder) {
      world.restart();
    } else {
      world.loop->step();
      world.check_tenants();
      // Half of the disks are as fast as the steps, the others take their time.
      if (seed % 8 == 0) world.flush();
    }
    for (const auto& [id, told] : world.heard) {
      if (told.n_ends == 0 || told.failed || world.conversations.size() > 12) continue;
      auto turn = world.requests.at(id).prompt;
      turn.insert(turn.end(), told.tokens.begin(), told.tokens.end());
      world.conversations.push_back(std::move(turn));
    }
  }
  world.run_to_end();
  ASSERT_EQ(world.log->n_violations, 0u);
  uint64_t n_expected_rows = 0;
  bool any_cancelled = false;
  for (const auto& [id, told] : world.heard) {
    world.check_answer(id);
    if (::testing::Test::HasFatalFailure()) return;
    sums.n_cached += told.usage.cached_tokens;
    any_cancelled |= told.reason == FinishReason::kCancelled;
    n_expected_rows += told.usage.prompt_tokens - told.usage.cached_tokens;
    if (told.usage.new_tokens > 0) n_expected_rows += told.usage.new_tokens - 1;
  }
  EngineStats stats;
  world.loop->add_stats(stats);
  world.remember();
  sums.n_preempted += world.n_preempted;
  sums.n_drafted += world.n_drafted;
  sums.n_accepted += world.n_accepted;
  sums.n_pages_read += world.n_pages_read;
  // cached_tokens is exact: what was not cached was computed, once.
  if (!any_cancelled && world.n_preempted == 0) {
    ASSERT_EQ(world.log->n_rows, n_expected_rows + world.n_drafted - world.n_accepted);
  }
  // Every page came back: none held by a sequence, and those of the tree on demand.
  ASSERT_EQ(stats.kv_bytes_used, 0u);
  ASSERT_EQ(world.loop->scheduler().fair_order().n_callers(), 0u);
  while (world.loop->cache().tree().evict_one()) {
  }
  ASSERT_EQ(world.loop->cache().memory().used_bytes(), 0u);
  ASSERT_EQ(world.loop->cache().tree().n_nodes(), 0u);
}

TEST(SchedulerRandom, EveryAnswerIsTheOneTheRequestGetsAlone) {
  Sums sums;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    run_world(seed, sums);
    if (HasFatalFailure()) return;
  }
  // The worlds are worth nothing if they never get into trouble.
  EXPECT_GT(sums.n_preempted, 100u);
  EXPECT_GT(sums.n_cached, 10000u);
  EXPECT_GT(sums.n_accepted, 300u);
  EXPECT_GT(sums.n_drafted, sums.n_accepted + 1000u);
  EXPECT_GT(sums.n_pages_read, 300u);
}

}  // namespace
}  // namespace maru::engine
