"""What enters linear layers where it is not the spikes of one layer: pooled maps, and sums of several layers' spikes.

Their nonzero values are counted, under the name of the pool directly in front of the layer, or of the layer itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from baselines.events.membranes import Layer, Map, Windows
from baselines.events.paths import Path, windows


def maps(leading: Sequence[Path], layers: Mapping[str, Layer], names: Mapping[nn.Module, str]) -> dict[str, Map]:
    """Return the maps on the paths that lead to one layer of neurons; `layers` has the sources of these paths."""
    found: dict[str, Map] = {}
    for linear in dict.fromkeys(path.linear for path in leading if path.linear):
        feeding = [path for path in leading if path.linear is linear]
        pools = {path.pools[-1:] for path in feeding}
        pool = pools.pop() if len(pools) == 1 else ()
        if not pool and len(feeding) == 1:
            continue
        found[names[pool[0] if pool else linear]] = _map(feeding, layers, not pool and isinstance(linear, nn.Linear))
    return found


def _map(feeding: Sequence[Path], layers: Mapping[str, Layer], flat: bool) -> Map:
    """Return what these paths make together; `flat`: its values are counted together, whatever their pixel."""
    parts, size = [], (1, 1)
    for path in feeding:
        first, to, size = windows(path.pools, layers[path.source].shape)
        parts.append(Windows(path.source, first, to))
    return Map(tuple(parts), size[0] * size[1], () if flat else size)
