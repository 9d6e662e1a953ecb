// Attention in a stage: new keys and values into their pages, and who attends over which keys.
#include <vector>

#include "nn/stage_run.h"

namespace maru::nn {
namespace {

using Tile = Workspace::AttentionTile;

kernels::KvView kv_view(const StageRun& run, const AttendSpec& spec, const SequenceRows& sequence) {
  const size_t k_bytes =
      spec.n_kv_heads * run.kv.page_tokens * kernels::kv_row_bytes(run.kv.type, spec.head_dim);
  const size_t offset = spec.layer_in_group * 2 * k_bytes;
  return {.pages = sequence.pages[spec.kv_group].data(),
          .k_offset = offset,
          .v_offset = offset + k_bytes,
          .page_tokens = run.kv.page_tokens,
          .n_kv_heads = spec.n_kv_heads,
          .head_dim = spec.head_dim,
          .type = run.kv.type};
}

// Query heads [first, first + n): those of n_kv key/value heads, or a part of those of one.
struct Heads {
  size_t first, n, n_kv;
};

// The kernel is told of no other heads.
kernels::AttentionArgs attention_args(const StageRun& run, const Step& step, const Tile& tile,
                                      const Heads& heads, float* scratch) {
  const AttendSpec& spec = step.node.attend;
  const SequenceRows& s = run.batch.sequences[tile.sequence];
  const size_t width = step.node.width;
  const size_t first = s.row_begin * width + heads.first * spec.head_dim;
  const size_t kv_head = heads.first / (spec.n_heads / spec.n_kv_heads);
  kernels::KvView kv = kv_view(run, spec, s);
  const size_t head_bytes = kv.page_tokens * kernels::kv_row_bytes(kv.type, kv.head_dim);
  kv.k_offset += kv_head * head_bytes;
  kv.v_offset += kv_head * head_bytes;
  kv.n_kv_heads = heads.n_kv;
  return {.kv = kv,
          .q = run.buffer(step.in[0]) + first,
          .ld_q = width,
          .n_heads = heads.n,
          .first_position = s.first_position,
          .window = spec.window,
          .scale = spec.scale,
          .softcap = spec.softcap,
          .sinks = nullptr,
          .token_begin = tile.begin,
          .token_end = tile.end,
          .kv_head_begin = 0,
          .kv_head_end = heads.n_kv,
          .out = run.buffer(step.out) + first,
          .ld_out = width,
          .scratch = scratch,
          .partial = nullptr,
          .part_begin = 0,
          .part_end = 0};
}

// Parts of the keys that some row of the tile sees.
struct Parts {
  size_t begin, end;
};

Parts parts_of(const StageRun& run, const AttendSpec& spec, const Tile& tile) {
  const size_t first = run.batch.sequences[tile.sequence].first_position + tile.begin;
  const size_t last = first + (tile.end - tile.begin) - 1;
  const size_t seen = spec.window > 0 && first + 1 > spec.window ? first + 1 - spec.window : 0;
  return {seen / kernels::kAttentionPart, last / kernels::kAttentionPart + 1};
}

// One tile and kv head whose parts are shared by the threads.
struct SharedCall {
  Tile tile;
  size_t kv_head;
  Parts parts;
  size_t partial;  // offset in Workspace::partial
  size_t part_floats;
};

// Empty where nothing is gained: one thread, enough calls without, short contexts, no room.
std::vector<SharedCall> share_parts(const StageRun& run, const AttendSpec& spec) {
  std::vector<SharedCall> calls;
  const auto& tiles = run.workspace.tiles;
  if (run.pool.size() == 1 || tiles.size() * spec.n_kv_heads >= 4 * run.pool.size()) return calls;
  const size_t group = spec.n_heads / spec.n_kv_heads;
  size_t used = 0, most_parts = 0;
  for (const Tile& tile : tiles) {
    const Parts parts = parts_of(run, spec, tile);
    most_parts = std::max(most_parts, parts.end - parts.begin);
    const size_t part_floats =
        (tile.end - tile.begin) * group * kernels::attention_partial_floats(spec.head_dim);
    for (size_t kv_head = 0; kv_head < spec.n_kv_heads; ++kv_head) {
      calls.push_back({tile, kv_head, parts, used, part_floats});
      used += (parts.end - parts.begin) * part_floats;
    }
  }
  if (most_parts < 2 || used > kPartialFloats) calls.clear();
  return calls;
}

// First every part by itself, then the parts of each row.
void attend_shared(const StageRun& run, const Step& step, const std::vector<SharedCall>& calls) {
  const size_t group = step.node.attend.n_heads / step.node.attend.n_kv_heads;
  struct Item {
    size_t call, part;
  };
  std::vector<Item> items;
  for (size_t c = 0; c < calls.size(); ++c) {
    for (size_t p = calls[c].parts.begin; p < calls[c].parts.end; ++p) items.push_back({c, p});
  }
  const size_t grain = std::max<size_t>(1, items.size() / (run.pool.size() * 8));
  run.pool.share(items.size(), grain, [&](size_t thread, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const SharedCall& call = calls[items[i].call];
      auto args = attention_args(run, step, call.tile, {call.kv_head * group, group, 1},
                                 run.workspace.thread_floats[thread]);
      args.part_begin = items[i].part;
      args.part_end = items[i].part + 1;
      args.partial = run.workspace.partial + call.partial +
                     (items[i].part - call.parts.begin) * call.part_floats;
      run.kernels.attention(args);
    }
  });
  run.pool.share(calls.size(), calls.size(), [&](size_t thread, size_t begin, size_t end) {
    for (size_t c = begin; c < end; ++c) {
      auto args = attention_args(run, step, calls[c].tile, {calls[c].kv_head * group, group, 1},
                                 run.workspace.thread_floats[thread]);
      args.part_begin = calls[c].parts.begin;
      args.part_end = calls[c].parts.end;
      args.partial = run.workspace.partial + calls[c].partial;
      run.kernels.join_attention(args);
    }
  });
}

// Query heads that one call takes. Usually those of a key/value head; with many tiles all, because
// a kernel reads ahead within its call alone; with fewer calls than threads, an equal part of a
// head's.
size_t heads_of_call(const StageRun& run, const AttendSpec& spec) {
  const size_t n_threads = run.pool.size(), n_tiles = run.workspace.tiles.size();
  if (n_tiles >= 8 * n_threads) return spec.n_heads;
  const size_t group = spec.n_heads / spec.n_kv_heads;
  size_t parts = 1;
  while (n_tiles * spec.n_kv_heads * parts < n_threads && parts < group) do
      ++parts;
    while (group % parts != 0);
  return group / parts;
}

}  // namespace

void store_kv(const StageRun& run, const Step& step, size_t row_begin, size_t row_end) {
  const AttendSpec& spec = step.node.attend;
  const size_t width = step.in_width[1];
  for (const SequenceRows& s : run.batch.sequences) {
    const size_t begin = std::max(row_begin, s.row_begin);
    const size_t end = std::min(row_end, s.row_begin + s.n_rows);
    if (begin >= end) continue;
    run.kernels.store_kv({.kv = kv_view(run, spec, s),
                          .k = run.buffer(step.in[1]) + s.row_begin * width,
                          .v = run.buffer(step.in[2]) + s.row_begin * width,
                          .ld = width,
                          .first_position = s.first_position,
                          .token_begin = begin - s.row_begin,
                          .token_end = end - s.row_begin});
  }
}

void run_attend(const StageRun& run, const Stage& stage) {
  const Step& step = stage.attend;
  const AttendSpec& spec = step.node.attend;
  const auto shared = share_parts(run, spec);
  if (!shared.empty()) return attend_shared(run, step, shared);
  const size_t n_tiles = run.workspace.tiles.size();
  const size_t group = spec.n_heads / spec.n_kv_heads;
  const size_t n_heads = heads_of_call(run, spec);
  const size_t n_calls = spec.n_heads / n_heads;
  const size_t n_kv = std::max<size_t>(1, n_heads / group);
  run.pool.share(n_tiles * n_calls, 1, [&](size_t thread, size_t begin, size_t end) {
    for (size_t item = begin; item < end; ++item)
      run.kernels.attention(attention_args(run, step, run.workspace.tiles[item / n_calls],
                                           {item % n_calls * n_heads, n_heads, n_kv},
                                           run.workspace.thread_floats[thread]));
  });
}

}  // namespace maru::nn
