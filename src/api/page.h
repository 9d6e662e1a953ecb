// The web app as files inside of the program, and how they are sent: compressed as the browser
// likes, kept by it as long as their names say, and under a strict policy.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "net/http.h"

namespace maru::api {

// A file's bytes in one of its encodings, as a part of the bundle.
struct PagePart {
  size_t begin = 0, size = 0;  // size 0: not there in this encoding
};

struct PageFile {
  const char* path;  // "/assets/index-Bx3k.js"; "/" is the page itself
  const char* content_type;
  const char* etag;   // of the plain bytes, without quotes
  bool is_immutable;  // the name changes with the content
  PagePart plain, gzip, brotli;
};

struct PageBundle {
  std::span<const PageFile> files;
  std::string_view bytes;

  const PageFile* find(std::string_view path) const;
};

// The one that was built in; empty in a build without it (MARU_WEB=OFF).
PageBundle page_bundle();

// 200 with the best encoding that `request` accepts, or 304 if it has the file already.
net::Response page_response(const PageBundle& bundle, const PageFile& file,
                            const net::Request& request);

}  // namespace maru::api
