// The table of filters that work on sequences; jinja_filters.cpp joins it to its own.
#pragma once

#include <span>

#include "text/jinja_builtins.h"

namespace maru::text::jinja {

std::span<const FilterEntry> sequence_filters();

}  // namespace maru::text::jinja
