#include "formats/tensor_info.h"

#include <algorithm>

#include "formats/byte_reader.h"

namespace maru::formats {

Status check_no_overlap(const std::vector<TensorInfo>& tensors) {
  std::vector<const TensorInfo*> by_address;
  by_address.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    if (!tensor.data.empty()) by_address.push_back(&tensor);
  }
  std::sort(by_address.begin(), by_address.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return a->data.data() < b->data.data();
  });
  for (size_t i = 1; i < by_address.size(); ++i) {
    const TensorInfo& before = *by_address[i - 1];
    const TensorInfo& after = *by_address[i];
    if (before.data.data() + before.data.size() > after.data.data()) {
      return Error{ErrorCode::kCorrupt,
                   "tensors " + quote_name(before.name) + " and " + quote_name(after.name) +
                       " share bytes of the file",
                   "the file is damaged or was written by a broken tool"};
    }
  }
  return {};
}

}  // namespace maru::formats
