// The first byte chooses: the rest is a tokenizer.json, a GGUF file, or a text for small tokenizers
// of both kinds. Whatever loads must encode without control tokens and decode to valid UTF-8, in a
// stream as at once.
#include "text/tokenizer.h"

#include <cstddef>
#include <cstdint>

#include "base/utf8.h"
#include "text/stream_decoder.h"

namespace {

using maru::text::Segment;
using maru::text::StreamDecoder;
using maru::text::TokenId;
using maru::text::Tokenizer;

constexpr std::string_view kPieces = R"({"added_tokens":[{"id":0,"content":"<s>","special":true}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":"▁"},
{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
"model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"vocab":{"<s>":0,"<unk>":1,"▁":2,
"a":3,"s":4,"<":5,">":6,"▁a":7,"<s":8,"<0xEA>":9,"<0xB0>":10,"<0x80>":11},
"merges":["▁ a","< s"]}})";
constexpr std::string_view kByteLevel =
    R"({"added_tokens":[{"id":0,"content":"<s>","special":true}],
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
{"type":"ByteLevel","add_prefix_space":false}]},"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","vocab":{"<s>":0,"Ġ":1,"a":2,"b":3,"Ġa":4,"ê":5,"°":6,"ê°":7,"<":8,"s":9},
"merges":[["Ġ","a"],["ê","°"]]}})";

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text);
  const std::string decoded = tokenizer.decode(ids, true);
  require(maru::utf8_is_valid(decoded));
  StreamDecoder stream(tokenizer, {}, true);
  std::string streamed;
  for (const TokenId id : ids) streamed += stream.push(id);
  require(streamed + stream.finish() == decoded);
  const Segment trusted[] = {{text.substr(0, text.size() / 2), true},
                             {text.substr(text.size() / 2), false}};
  require(maru::utf8_is_valid(tokenizer.decode(tokenizer.encode(trusted), false)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  constexpr std::string_view kProbe = "<s> a가12 \xFF<|x|>";
  switch (data[0] % 3) {
    case 0: {
      const auto tokenizer = Tokenizer::from_json(rest);
      if (tokenizer.has_value()) check(**tokenizer, kProbe);
      break;
    }
    case 1: {
      const auto file = maru::formats::GgufFile::parse({data + 1, size - 1});
      if (!file.has_value()) break;
      const auto tokenizer = Tokenizer::from_gguf(*file);
      if (tokenizer.has_value()) check(**tokenizer, kProbe);
      break;
    }
    default:
      static const auto pieces = Tokenizer::from_json(kPieces);
      static const auto byte_level = Tokenizer::from_json(kByteLevel);
      check(*pieces.value(), rest);
      check(*byte_level.value(), rest);
      for (const TokenId id : pieces.value()->encode(rest)) require(id != 0);
      for (const TokenId id : byte_level.value()->encode(rest)) require(id != 0);
  }
  return 0;
}
