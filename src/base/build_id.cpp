#include "base/build_id.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace maru {
namespace {

constexpr size_t kAlignment = 4;

size_t aligned(size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

std::string find_in_notes(const uint8_t* notes, size_t size) {
  constexpr std::string_view kOwner("GNU\0", 4);
  for (size_t at = 0; size - at >= sizeof(ElfW(Nhdr));) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof(note));
    const size_t owner = at + sizeof(note);
    const size_t text = owner + aligned(note.n_namesz);
    const size_t next = text + aligned(note.n_descsz);
    if (next > size) break;
    const std::string_view name(reinterpret_cast<const char*>(notes + owner), note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && name == kOwner) {
      std::string id;
      for (size_t i = 0; i < note.n_descsz; ++i) id += fmt::format("{:02x}", notes[text + i]);
      return id;
    }
    at = next;
  }
  return {};
}

// Called for each loaded object, the program first.
int read_program(dl_phdr_info* info, size_t /*size*/, void* out) {
  auto& id = *static_cast<std::string*>(out);
  for (size_t i = 0; i < info->dlpi_phnum && id.empty(); ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses come from the loader as numbers
    id = find_in_notes(reinterpret_cast<const uint8_t*>(info->dlpi_addr + header.p_vaddr),
                       header.p_memsz);
  }
  return 1;  // no further object
}

}  // namespace

std::string build_id() {
  std::string id;
  dl_iterate_phdr(read_program, &id);
  return id;
}

}  // namespace maru
