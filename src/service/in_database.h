// Inside service only: work in a transaction that gives a value.
#pragma once

#include <optional>
#include <utility>

#include "base/result.h"
#include "store/database.h"

namespace maru::service {

template <class T, class Work>
Result<T> reading(const store::Database& database, const Work& work) {
  std::optional<T> value;
  MARU_RETURN_IF_ERROR(database.read([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(value, work(t));
    return {};
  }));
  return std::move(*value);
}

template <class T, class Work>
Result<T> writing(store::Database& database, const Work& work) {
  std::optional<T> value;
  MARU_RETURN_IF_ERROR(database.write([&](store::Transaction& t) -> Status {
    MARU_ASSIGN_OR_RETURN(value, work(t));
    return {};
  }));
  return std::move(*value);
}

}  // namespace maru::service
