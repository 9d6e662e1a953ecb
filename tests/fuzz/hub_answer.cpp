// Any bytes as what a hub says of a repository: an error, or files that stay inside of a folder.
#include "service/hub_answer.h"

#include <cstddef>
#include <cstdint>

#include "service/model_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace maru::service;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto answer = parse_hub_answer(text);
  if (!answer) {
    if (answer.error().message.empty()) __builtin_trap();
  } else {
    for (const FileWish& wish : {FileWish{}, FileWish{"Q8_0", "", false}, FileWish{"", "", true}}) {
      const auto choice = choose_files(*answer, wish);
      if (!choice && choice.error().hint.empty()) __builtin_trap();
      if (!choice) continue;
      for (const HubFile& file : choice->files) {
        if (!check_inner_path(file.path)) __builtin_trap();
        if (file.sha256.size() != 64 && file.git_blob.size() != 40) __builtin_trap();
      }
    }
  }
  const auto name = parse_hub_name(std::string(text));
  if (name && !check_inner_path(name->repository)) __builtin_trap();
  return 0;
}
