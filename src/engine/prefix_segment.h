// Files of stored prefix pages, in pairs: NUMBER.pages holds rows as they lie in memory, one page
// after the other; NUMBER.index holds a header and one entry of fixed size for each page, with
// checksums of the entry and of the rows. Entries are found by their place, so that a damaged one
// costs nothing but its page. docs/formats/prefix-store.md has the bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/prefix_digest.h"
#include "models/model.h"

namespace maru::engine {

// What all segments of one folder have in common.
struct SegmentFormat {
  std::array<uint8_t, 32> identity = {};  // of all that decides a page's bits besides its tokens
  uint32_t page_tokens = 0;
  std::vector<uint64_t> page_bytes;  // [group]
  size_t entry_bytes() const;
};

// `identity` names model, kernels and program in any form; the layout is mixed in.
SegmentFormat make_segment_format(const std::string& identity, const models::KvLayout& layout);

struct SegmentEntry {
  PrefixDigest digest;          // of the prefix that ends with this page
  uint32_t group = 0;           // of layers
  uint32_t index = 0;           // of the page in its prefix
  uint64_t offset = 0;          // of its rows
  uint64_t checksum = 0;        // of its rows
  std::vector<TokenId> tokens;  // [page_tokens]
};

struct SegmentIndex {
  std::vector<SegmentEntry> entries;  // whole ones whose rows are inside the file
  uint64_t n_places = 0;              // entries of the file, damaged ones too
  uint64_t n_damaged = 0;
};

std::vector<uint8_t> encode_header(const SegmentFormat& format);
std::vector<uint8_t> encode_entry(const SegmentEntry& entry);
// Any bytes will do. Errors: kInvalidArgument (no header of this format). `pages_size`: bytes of
// the file with the rows.
Result<SegmentIndex> decode_index(std::span<const uint8_t> bytes, const SegmentFormat& format,
                                  uint64_t pages_size);

// An open pair of files, 0600. append() belongs to one thread; read() to any, for entries that
// append() or open() gave.
class SegmentFile {
 public:
  // Errors: kUnavailable (the system refuses, the disk is full).
  static Result<std::shared_ptr<SegmentFile>> create(const std::string& folder, uint64_t number,
                                                     const SegmentFormat& format);
  // Reads the index, not the rows; later pages are appended behind the whole ones. Errors:
  // kInvalidArgument (not of this format), kUnavailable.
  static Result<std::shared_ptr<SegmentFile>> open(const std::string& folder, uint64_t number,
                                                   const SegmentFormat& format,
                                                   SegmentIndex& index);
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;
  ~SegmentFile();

  // Sets the entry's offset and checksum. After an error the next append takes the same place.
  Status append(SegmentEntry& entry, std::span<const uint8_t> rows);
  // False when the rows cannot be read or are not those that were written.
  bool read(const SegmentEntry& entry, std::span<uint8_t> rows) const;

  uint64_t number() const { return number_; }
  uint64_t bytes() const { return index_end_ + pages_end_; }  // for the appending thread
  bool is_empty() const { return pages_end_ == 0; }           // likewise
  static void remove(const std::string& folder, uint64_t number);

 private:
  SegmentFile(const std::string& folder, uint64_t number);
  Status open_files(int flags);

  const std::string stem_;  // path without its ending
  const uint64_t number_;
  int index_fd_ = -1, pages_fd_ = -1;
  uint64_t index_end_ = 0, pages_end_ = 0;
};

}  // namespace maru::engine
