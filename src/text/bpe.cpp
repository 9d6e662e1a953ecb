#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/utf8.h"

namespace maru::text {
namespace {

// SentencePiece writes a space as this character (U+2581).
constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

constexpr uint32_t kNone = ~uint32_t{0};
// Up to this many symbols, searching the whole word for the next pair beats a heap.
constexpr size_t kShortWord = 40;
constexpr size_t kMaxCachedWords = size_t{1} << 14;

uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t hash_pair(uint64_t pair) {
  const uint64_t product = pair * 0x9E3779B97F4A7C15;
  return static_cast<size_t>(product ^ (product >> 32));
}

// The character that ends at `end` > 0. `text` is valid UTF-8.
uint32_t character_before(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return utf8_decode(text.substr(begin)).code_point;
}

}  // namespace

Bpe::Scratch::Scratch(size_t text_bytes) {
  constexpr size_t kWorthCaching = 512;
  if (text_bytes >= kWorthCaching) {
    cache_.resize(std::min(std::bit_ceil(text_bytes / 8), kMaxCachedWords));
  }
}

Bpe::Bpe(std::vector<std::string> units, const std::vector<BpeMerge>& merges,
         const BpeOptions& options)
    : options_(options), units_(std::move(units)) {
  unit_ids_.reset(units_.size());
  for (size_t i = 0; i < units_.size(); ++i) {
    if (!units_[i].empty()) unit_ids_.insert(units_[i], static_cast<TokenId>(i));
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_symbols_[byte] = unit_ids_.find({&c, 1});
  }
  pairs_.assign(std::bit_ceil(merges.size() + merges.size() / 2 + 1), PairSlot{});
  for (const BpeMerge& merge : merges) add_pair(merge);
  find_cuts(merges);
}

// SentencePiece models take a whole text as one word. Where no token that joins make holds a
// character and a space mark behind it, nothing is ever joined across the two, and cutting there
// changes nothing.
void Bpe::find_cuts(const std::vector<BpeMerge>& merges) {
  cuts_words_ =
      !options_.byte_level && !options_.ignore_merges && unit_ids_.find(kSpaceMark) != kNoToken;
  if (!cuts_words_) return;
  for (const BpeMerge& merge : merges) {
    const std::string_view joined = units_[static_cast<size_t>(merge.joined)];
    for (size_t at = joined.find(kSpaceMark, 1); at != std::string_view::npos;
         at = joined.find(kSpaceMark, at + 1)) {
      no_cut_behind_.push_back(character_before(joined, at));
    }
  }
  std::sort(no_cut_behind_.begin(), no_cut_behind_.end());
  no_cut_behind_.erase(std::unique(no_cut_behind_.begin(), no_cut_behind_.end()),
                       no_cut_behind_.end());
}

bool Bpe::can_cut(std::string_view word, size_t at) const {
  return !std::binary_search(no_cut_behind_.begin(), no_cut_behind_.end(),
                             character_before(word, at));
}

void Bpe::add_pair(const BpeMerge& merge) {
  const uint64_t pair = pair_key(merge.left, merge.right);
  const size_t mask = pairs_.size() - 1;
  size_t i = hash_pair(pair) & mask;
  while (pairs_[i].pair != kNoPair && pairs_[i].pair != pair) i = (i + 1) & mask;
  pairs_[i] = {pair, static_cast<uint64_t>(merge.rank) << 32 | static_cast<uint32_t>(merge.joined)};
}

uint64_t Bpe::find_pair(TokenId left, TokenId right) const {
  const uint64_t pair = pair_key(left, right);
  const size_t mask = pairs_.size() - 1;
  for (size_t i = hash_pair(pair) & mask;; i = (i + 1) & mask) {
    if (pairs_[i].pair == pair) return pairs_[i].value;
    if (pairs_[i].pair == kNoPair) return kNoMerge;
  }
}

void Bpe::encode(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const {
  if (!cuts_words_) {
    encode_uncut(word, scratch, out);
    return;
  }
  size_t begin = 0;
  for (size_t at = word.find(kSpaceMark, 1); at != std::string_view::npos;
       at = word.find(kSpaceMark, at + kSpaceMark.size())) {
    if (!can_cut(word, at)) continue;
    encode_uncut(word.substr(begin, at - begin), scratch, out);
    begin = at;
  }
  encode_uncut(word.substr(begin), scratch, out);
}

void Bpe::encode_uncut(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const {
  using Cached = Scratch::CachedWord;
  if (scratch.cache_.empty() || word.size() > sizeof(Cached::bytes)) {
    encode_fresh(word, scratch, out);
    return;
  }
  const uint64_t hash = hash_bytes(word);
  Cached& cached = scratch.cache_[hash & (scratch.cache_.size() - 1)];
  if (cached.hash == hash && cached.n_bytes == word.size() &&
      std::memcmp(cached.bytes.data(), word.data(), word.size()) == 0) {
    out.insert(out.end(), cached.ids.begin(), cached.ids.begin() + cached.n_ids);
    return;
  }
  const size_t before = out.size();
  encode_fresh(word, scratch, out);
  const size_t n_ids = out.size() - before;
  if (n_ids > cached.ids.size()) return;
  cached.hash = hash;
  cached.n_bytes = static_cast<uint8_t>(word.size());
  cached.n_ids = static_cast<uint8_t>(n_ids);
  std::copy(word.begin(), word.end(), cached.bytes.begin());
  std::copy(out.begin() + static_cast<std::ptrdiff_t>(before), out.end(), cached.ids.begin());
}

void Bpe::encode_fresh(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const {
  if (options_.ignore_merges) {
    if (const TokenId whole = unit_ids_.find(word); whole != kNoToken) {
      out.push_back(whole);
      return;
    }
  }
  std::vector<TokenId>& symbols = scratch.symbols_;
  symbols.clear();
  add_symbols(word, symbols);
  if (symbols.size() > kShortWord) {
    join_long(scratch);
  } else if (symbols.size() > 1) {
    join_short(scratch);
  }
  out.insert(out.end(), symbols.begin(), symbols.end());
}

void Bpe::add_symbols(std::string_view word, std::vector<TokenId>& symbols) const {
  if (!options_.byte_level) {
    add_characters(word, symbols);
    return;
  }
  for (const char c : word) {
    const TokenId id = byte_symbols_[static_cast<uint8_t>(c)];
    if (id != kNoToken) {
      symbols.push_back(id);
    } else if (options_.unknown != kNoToken &&
               !(options_.fuse_unknown && !symbols.empty() && symbols.back() == options_.unknown)) {
      symbols.push_back(options_.unknown);
    }
  }
}

// Unknown characters wait for the next known one, also past bytes that stand for others: the order
// that Hugging Face's BPE gives.
void Bpe::add_characters(std::string_view word, std::vector<TokenId>& symbols) const {
  const auto byte_token = [this](char c) { return options_.byte_tokens[static_cast<uint8_t>(c)]; };
  bool has_unknown = false;
  const auto end_unknown = [&] {
    if (has_unknown) symbols.push_back(options_.unknown);
    has_unknown = false;
  };
  while (!word.empty()) {
    const std::string_view character = word.substr(0, utf8_decode(word).length);
    word.remove_prefix(character.size());
    if (const TokenId id = unit_ids_.find(character); id != kNoToken) {
      end_unknown();
      symbols.push_back(id);
    } else if (options_.byte_fallback &&
               std::all_of(character.begin(), character.end(),
                           [&](char c) { return byte_token(c) != kNoToken; })) {
      for (const char c : character) symbols.push_back(byte_token(c));
    } else if (options_.unknown != kNoToken) {
      if (!options_.fuse_unknown) end_unknown();
      has_unknown = true;
    }
  }
  end_unknown();
}

void Bpe::join_short(Scratch& scratch) const {
  std::vector<TokenId>& symbols = scratch.symbols_;
  std::vector<uint64_t>& pairs = scratch.pairs_;
  pairs.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    pairs.push_back(find_pair(symbols[i], symbols[i + 1]));
  }
  while (!pairs.empty()) {
    // Only the rank decides; of equal ranks the leftmost.
    size_t best = 0;
    for (size_t i = 1; i < pairs.size(); ++i) {
      if (pairs[i] >> 32 < pairs[best] >> 32) best = i;
    }
    if (pairs[best] == kNoMerge) break;
    symbols[best] = static_cast<TokenId>(pairs[best] & 0xFFFFFFFF);
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(best));
    if (best > 0) pairs[best - 1] = find_pair(symbols[best - 1], symbols[best]);
    if (best < pairs.size()) pairs[best] = find_pair(symbols[best], symbols[best + 1]);
  }
}

void Bpe::push_candidate(Scratch& scratch, uint32_t position) const {
  const Scratch::Link& left = scratch.links_[position];
  if (left.next == kNone) return;
  const TokenId right = scratch.links_[left.next].id;
  const uint64_t found = find_pair(left.id, right);
  if (found == kNoMerge) return;
  scratch.heap_.push_back(
      {(found >> 32) << 32 | position, left.id, right, static_cast<TokenId>(found & 0xFFFFFFFF)});
  std::push_heap(scratch.heap_.begin(), scratch.heap_.end(),
                 [](const auto& a, const auto& b) { return a.order > b.order; });
}

// A linked list and a heap of candidates: n log n for any word. Candidates that were overtaken by
// a join are recognised when they come up.
void Bpe::join_long(Scratch& scratch) const {
  auto& links = scratch.links_;
  auto& heap = scratch.heap_;
  std::vector<TokenId>& symbols = scratch.symbols_;
  const auto n = static_cast<uint32_t>(symbols.size());
  links.resize(n);
  heap.clear();
  for (uint32_t i = 0; i < n; ++i) {
    links[i] = {symbols[i], i == 0 ? kNone : i - 1, i + 1 == n ? kNone : i + 1};
  }
  for (uint32_t i = 0; i < n; ++i) push_candidate(scratch, i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(),
                  [](const auto& a, const auto& b) { return a.order > b.order; });
    const Scratch::Candidate top = heap.back();
    heap.pop_back();
    const auto position = static_cast<uint32_t>(top.order & 0xFFFFFFFF);
    Scratch::Link& left = links[position];
    if (left.id != top.left || left.next == kNone || links[left.next].id != top.right) continue;
    Scratch::Link& right = links[left.next];
    left.id = top.joined;
    right.id = kNoToken;
    left.next = right.next;
    if (left.next != kNone) links[left.next].prev = position;
    if (left.prev != kNone) push_candidate(scratch, left.prev);
    push_candidate(scratch, position);
  }
  symbols.clear();
  for (uint32_t i = 0; i != kNone; i = links[i].next) symbols.push_back(links[i].id);
}

}  // namespace maru::text
