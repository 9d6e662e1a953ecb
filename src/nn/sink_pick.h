// Moves the choice of the rows whose logits are wanted as early as it can go: behind the last
// attention, nothing but those rows is needed.
#pragma once

#include "nn/graph.h"

namespace maru::nn {

// The same computation with picks moved towards the inputs. The last value stays the last.
Graph sink_picks(const Graph& graph);

}  // namespace maru::nn
