#include "service/attached_files.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/utf8.h"
#include "store/files.h"

namespace maru::service {
namespace {

Error unusable(std::string what, const char* hint, Reason reason) {
  return {ErrorCode::kInvalidArgument, std::move(what), hint, "files", std::move(reason)};
}

// `n_left`: bytes that may still be read.
Result<std::string> text_of_file(store::Transaction& t, const std::string& owner,
                                 const Json& listed, int64_t& n_left) {
  const std::string id = listed.value("id", ""), name = listed.value("name", "");
  const std::string quoted = dump_json(Json(name));
  MARU_ASSIGN_OR_RETURN(const auto file, store::find_file(t, owner, id));
  if (!file) return fmt::format("<file name={} deleted />\n", quoted);
  n_left -= file->size;
  if (n_left < 0) {
    return unusable(fmt::format("the files of this branch are larger than {} bytes together",
                                kMaxAttachedBytes),
                    "attach fewer, or parts of them",
                    Reason{"attached_too_big", {{"max", kMaxAttachedBytes}}});
  }
  MARU_ASSIGN_OR_RETURN(const auto content, store::read_file(t, owner, id));
  if (!content || !utf8_is_valid(*content) || content->find('\0') != std::string::npos) {
    return unusable(fmt::format("the file {} holds no UTF-8 text", quoted),
                    "only files of text can be read for now",
                    Reason{"file_no_text", {{"name", name}}});
  }
  return fmt::format("<file name={}>\n{}\n</file>\n", quoted, *content);
}

}  // namespace

Status put_files_first(store::Transaction& transaction, const std::string& owner,
                       std::vector<store::Message>& branch) {
  int64_t n_left = kMaxAttachedBytes;
  for (store::Message& message : branch) {
    if (message.role == "assistant") continue;
    const auto extra = parse_json(message.extra);
    if (!extra || !extra->is_object() || !extra->contains("files")) continue;
    std::string text;
    for (const Json& listed : (*extra)["files"]) {
      MARU_ASSIGN_OR_RETURN(const std::string one,
                            text_of_file(transaction, owner, listed, n_left));
      text += one;
    }
    message.content = text + "\n" + message.content;
  }
  return {};
}

}  // namespace maru::service
