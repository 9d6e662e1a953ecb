#include "nn/compile.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "nn/sink_pick.h"

namespace maru::nn {
namespace {

// Which node reads a value last; a value may be changed in place by its last reader only.
std::vector<uint32_t> find_last_uses(const Graph& graph) {
  std::vector<uint32_t> last(graph.nodes().size(), 0);
  for (const Node& node : graph.nodes())
    for (uint32_t i = 0; i < node.n_in; ++i) last[node.in[i].id] = node.out.id;
  return last;
}

std::vector<uint32_t> count_uses(const Graph& graph) {
  std::vector<uint32_t> n(graph.nodes().size(), 0);
  for (const Node& node : graph.nodes())
    for (uint32_t i = 0; i < node.n_in; ++i) ++n[node.in[i].id];
  return n;
}

Step to_step(const Graph& graph, const Node& node) {
  Step step{.node = node};
  for (uint32_t i = 0; i < node.n_in; ++i) step.in_width[i] = graph.width(node.in[i]);
  return step;
}

// Groups nodes to stages; buffers come later.
class StageBuilder {
 public:
  StageBuilder(const Graph& graph, bool fused)
      : graph_(graph),
        fused_(fused),
        last_use_(find_last_uses(graph)),
        n_uses_(count_uses(graph)) {}

  std::vector<Stage> build() {
    const std::vector<Node>& nodes = graph_.nodes();
    for (size_t i = 0; i < nodes.size();) {
      const Node& node = nodes[i];
      if (pending_.picked != node.picked) flush();
      pending_.picked = node.picked;
      if (node.op == OpKind::kLinear) {
        i = add_products(i);
      } else if (node.op == OpKind::kAttend) {
        pending_.body = StageBody::kAttend;
        pending_.attend = to_step(graph_, node);
        flush();
        ++i;
      } else {
        pending_.rows.push_back(to_step(graph_, node));
        if (!fused_) flush();
        ++i;
      }
    }
    flush();
    return std::move(stages_);
  }

 private:
  void flush() {
    if (!pending_.rows.empty() || pending_.body != StageBody::kNone)
      stages_.push_back(std::move(pending_));
    pending_ = Stage{};
  }

  bool only_use(Value v, const Node& by) const {
    return n_uses_[v.id] == 1 && last_use_[v.id] == by.out.id;
  }

  // Takes the products from node `first` on that share its input, and what follows them into
  // their epilogue. Returns the index of the next node.
  size_t add_products(size_t first) {
    const std::vector<Node>& nodes = graph_.nodes();
    size_t next = first;
    do {
      pending_.products.push_back(to_step(graph_, nodes[next]));
      ++next;
    } while (fused_ && next < nodes.size() && nodes[next].op == OpKind::kLinear &&
             nodes[next].in[0].id == nodes[first].in[0].id);
    pending_.body = StageBody::kProduct;
    if (fused_ && next < nodes.size()) {
      if (fold_gate(nodes[next]) || fold_residual(nodes[next])) ++next;
    }
    flush();
    return next;
  }

  bool fold_gate(const Node& node) {
    std::vector<Step>& p = pending_.products;
    if (node.op != OpKind::kGate || p.size() != 2) return false;
    if (node.in[0].id != p[0].node.out.id || node.in[1].id != p[1].node.out.id) return false;
    if (!only_use(node.in[0], node) || !only_use(node.in[1], node)) return false;
    pending_.body = StageBody::kGatedProduct;
    pending_.gate = to_step(graph_, node);
    return true;
  }

  // x + linear(...) adds the product to x's own memory if nothing reads x or the product later.
  bool fold_residual(const Node& node) {
    std::vector<Step>& p = pending_.products;
    if (node.op != OpKind::kAdd || p.size() != 1) return false;
    const uint32_t product = p[0].node.out.id;
    const bool second = node.in[1].id == product;
    if (node.in[0].id == node.in[1].id || (!second && node.in[0].id != product)) return false;
    const Value residual = node.in[second ? 0 : 1];
    if (!only_use(Value{product}, node) || last_use_[residual.id] != node.out.id) return false;
    p[0].accumulate = true;
    p[0].node.in[1] = residual;
    p[0].node.n_in = 2;
    p[0].in_width[1] = node.width;
    p[0].node.out = node.out;
    return true;
  }

  const Graph& graph_;
  const bool fused_;
  const std::vector<uint32_t> last_use_;
  const std::vector<uint32_t> n_uses_;
  Stage pending_;
  std::vector<Stage> stages_;
};

template <class Visit>
void for_each_step(Stage& stage, const Visit& visit) {
  for (Step& step : stage.rows) visit(step);
  for (Step& step : stage.products) visit(step);
  if (stage.body == StageBody::kGatedProduct) visit(stage.gate);
  if (stage.body == StageBody::kAttend) visit(stage.attend);
}

bool can_work_in_place(const Node& node) {
  return node.op == OpKind::kRope || node.op == OpKind::kSoftcap || node.op == OpKind::kAdd ||
         (node.op == OpKind::kRmsNorm && node.n_heads > 1);
}

// Gives each value memory: values that are changed in place share it, and memory whose last reader
// is done serves later stages.
class BufferPlan {
 public:
  BufferPlan(const Graph& graph, Value result, bool fused)
      : graph_(graph), result_(result), fused_(fused), last_use_(find_last_uses(graph)) {
    for (uint32_t v = 0; v < graph.nodes().size(); ++v) home_.push_back(v);
    buffer_.assign(home_.size(), kNoBuffer);
    last_stage_.assign(home_.size(), 0);
  }

  std::vector<Buffer> assign(std::vector<Stage>& stages) {
    for (Stage& stage : stages) for_each_step(stage, [&](Step& step) { share_memory(step); });
    for (uint32_t s = 0; s < stages.size(); ++s)
      for_each_step(stages[s], [&](Step& step) {
        for (uint32_t i = 0; i < step.node.n_in; ++i) last_stage_[home(step.node.in[i])] = s;
      });
    last_stage_[home(result_)] = static_cast<uint32_t>(stages.size());
    buffer_[home(result_)] = kLogitsBuffer;
    for (uint32_t s = 0; s < stages.size(); ++s) {
      const bool gated = stages[s].body == StageBody::kGatedProduct;
      for_each_step(stages[s], [&](Step& step) {
        const bool in_scratch = gated && step.node.op == OpKind::kLinear;
        find_inputs(step);
        if (!in_scratch) define(step);
      });
      release(s);
    }
    return std::move(buffers_);
  }

 private:
  uint32_t home(Value v) const { return home_[v.id]; }

  void share_memory(Step& step) {
    Node& node = step.node;
    if (step.accumulate) {
      home_[node.out.id] = home(node.in[1]);
      return;
    }
    if (!fused_ || !can_work_in_place(node)) return;
    if (node.op == OpKind::kAdd && last_use_[node.in[0].id] != node.out.id)
      std::swap(node.in[0], node.in[1]);
    const bool twice = node.n_in == 2 && node.in[0].id == node.in[1].id;
    if (last_use_[node.in[0].id] == node.out.id && !twice) home_[node.out.id] = home(node.in[0]);
  }

  void find_inputs(Step& step) const {
    for (uint32_t i = 0; i < step.node.n_in; ++i) step.in[i] = buffer_[home(step.node.in[i])];
  }

  void define(Step& step) {
    BufferId& buffer = buffer_[home(step.node.out)];
    if (buffer == kNoBuffer) buffer = take(step.node.width, home(step.node.out));
    step.out = buffer;
  }

  BufferId take(size_t width, uint32_t value) {
    auto best = free_.end();
    for (auto it = free_.begin(); fused_ && it != free_.end(); ++it) {
      const size_t w = buffers_[*it].width;
      if (w >= width && (best == free_.end() || w < buffers_[*best].width)) best = it;
    }
    BufferId id;
    if (best != free_.end()) {
      id = *best;
      free_.erase(best);
    } else {
      id = static_cast<BufferId>(buffers_.size());
      buffers_.push_back({.width = width});
    }
    live_.push_back(value);
    return id;
  }

  void release(uint32_t stage) {
    std::erase_if(live_, [&](uint32_t value) {
      if (last_stage_[value] > stage) return false;
      free_.push_back(buffer_[value]);
      return true;
    });
  }

  const Graph& graph_;
  const Value result_;
  const bool fused_;
  const std::vector<uint32_t> last_use_;
  std::vector<uint32_t> home_;        // value -> value whose memory it lives in
  std::vector<BufferId> buffer_;      // by home
  std::vector<uint32_t> last_stage_;  // by home
  std::vector<uint32_t> live_;        // homes with a buffer
  std::vector<BufferId> free_;
  std::vector<Buffer> buffers_;
};

void measure_products(Stage& stage, size_t planes) {
  for (const Step& step : stage.products) {
    const tensor::PackedWeight& weight = step.node.linear->weight;
    if (!weight.format().float_input) stage.planes = planes;
    stage.n_panels = stage.body == StageBody::kGatedProduct ? weight.n_panels()
                                                            : stage.n_panels + weight.n_panels();
  }
}

}  // namespace

Program compile(const Graph& recorded, Value result, bool fused, size_t planes) {
  MARU_CHECK(result.id + 1 == recorded.nodes().size());
  const Graph graph = fused ? sink_picks(recorded) : recorded;
  const Value last = graph.nodes().back().out;
  Program program;
  program.ropes = graph.ropes();
  program.n_logits = graph.width(last);
  program.stages = StageBuilder(graph, fused).build();
  program.buffers = BufferPlan(graph, last, fused).assign(program.stages);
  for (Stage& stage : program.stages) measure_products(stage, planes);
  return program;
}

std::string describe(const Stage& stage) {
  std::string text = "rows[";
  for (size_t i = 0; i < stage.rows.size(); ++i)
    text += std::string(i > 0 ? " " : "") + op_name(stage.rows[i].node.op);
  text += "]";
  switch (stage.body) {
    case StageBody::kNone: break;
    case StageBody::kProduct:
      text += " product[" + std::to_string(stage.products.size()) + "]";
      break;
    case StageBody::kGatedProduct: text += " gated_product"; break;
    case StageBody::kAttend: text += " attend"; break;
  }
  if (stage.body == StageBody::kProduct && stage.products[0].accumulate) text += " residual";
  if (stage.picked) text += " picked";
  return text;
}

}  // namespace maru::nn
