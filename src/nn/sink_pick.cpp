#include "nn/sink_pick.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace maru::nn {
namespace {

// Ops that treat each row by itself and know nothing of its place among the others.
bool is_rowwise(OpKind op) {
  return op == OpKind::kRmsNorm || op == OpKind::kLinear || op == OpKind::kGate ||
         op == OpKind::kAdd || op == OpKind::kSoftcap;
}

// Nodes of which only picked rows are read, by picks or by other such nodes.
std::vector<bool> find_sinkable(const Graph& graph) {
  const std::vector<Node>& nodes = graph.nodes();
  std::vector<bool> sinkable(nodes.size(), true);
  for (size_t i = nodes.size(); i-- > 0;) {
    const Node& node = nodes[i];
    sinkable[i] = sinkable[i] && is_rowwise(node.op) && !node.picked;
    const bool reads_picked = node.op == OpKind::kPick || sinkable[i];
    for (uint32_t k = 0; k < node.n_in; ++k)
      sinkable[node.in[k].id] = sinkable[node.in[k].id] && reads_picked;
  }
  return sinkable;
}

// Values of all rows of which the picked ones are read.
std::vector<uint32_t> find_frontier(const Graph& graph, const std::vector<bool>& sinkable) {
  std::vector<uint32_t> frontier;
  for (const Node& node : graph.nodes())
    for (uint32_t k = 0; k < node.n_in; ++k)
      if ((sinkable[node.out.id] || node.op == OpKind::kPick) && !sinkable[node.in[k].id])
        frontier.push_back(node.in[k].id);
  return frontier;
}

}  // namespace

Graph sink_picks(const Graph& graph) {
  const std::vector<bool> sinkable = find_sinkable(graph);
  const std::vector<uint32_t> frontier = find_frontier(graph, sinkable);
  Graph out(graph.ropes());
  std::vector<Value> moved(graph.nodes().size());  // old value -> new
  std::unordered_map<uint32_t, Value> picked;      // old value -> pick of its new one
  auto pick_once = [&](uint32_t old) {
    auto [it, is_new] = picked.try_emplace(old);
    if (is_new) it->second = out.pick(moved[old]);
    return it->second;
  };
  auto moved_or_picked = [&](Value old) {
    return sinkable[old.id] ? moved[old.id] : pick_once(old.id);
  };
  for (const Node& node : graph.nodes()) {
    const uint32_t id = node.out.id;
    if (!sinkable[id] && node.op != OpKind::kPick) {
      Node copy = node;
      for (uint32_t k = 0; k < node.n_in; ++k) copy.in[k] = moved[node.in[k].id];
      moved[id] = out.append(copy);
      continue;
    }
    // All picks that can be made stand together, so that they come between no product and its sum.
    for (uint32_t old : frontier)
      if (old < id) pick_once(old);
    if (node.op == OpKind::kPick) {
      moved[id] = moved_or_picked(node.in[0]);
      continue;
    }
    Node copy = node;
    for (uint32_t k = 0; k < node.n_in; ++k) copy.in[k] = moved_or_picked(node.in[k]);
    moved[id] = out.append(copy);
  }
  return out;
}

}  // namespace maru::nn
