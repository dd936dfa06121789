"""What no other point beats: as accurate for less, or more accurate for as much."""

from __future__ import annotations

from collections.abc import Sequence


def front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Indices of the Pareto front, cheapest first; of points that are alike in both, the first one."""
    best, kept = float("-inf"), []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i])):
        if accuracies[index] > best:
            best = accuracies[index]
            kept.append(index)
    return kept
