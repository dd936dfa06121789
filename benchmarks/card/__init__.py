"""A finished run to take along: weights, model card and, where NIR can say it, the network as a NIR graph.

`load` gives the network back. Needs the packages of the extra `export`.
"""

from benchmarks.card.weights import load

__all__ = ["load"]
