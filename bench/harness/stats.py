"""Order of runs and what is made of their figures. Pure functions."""

import math
import statistics


def run_pairs(n_pairs: int, first, second) -> list:
    """[(first's, second's)], the order of the two swapped in every second pair (ABBA), so that a
    machine that gets slower or faster does not favour either."""
    pairs = []
    for i in range(n_pairs):
        if i % 2 == 0:
            a = first(i)
            b = second(i)
        else:
            b = second(i)
            a = first(i)
        pairs.append((a, b))
    return pairs


def ratios(pairs: list) -> dict:
    """Median and extremes of first / second."""
    values = [a / b for a, b in pairs]
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "pairs": len(values),
    }


def percentile(values: list, share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = max(1, math.ceil(share * len(ordered)))
    return ordered[rank - 1]


def spread(values: list) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def latency(seconds: list) -> dict:
    """p50, p95 and p99 in milliseconds."""
    return {f"p{int(p * 100)}_ms": 1e3 * percentile(seconds, p) for p in (0.5, 0.95, 0.99)}
