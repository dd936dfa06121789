"""Export of a finished run: weights, a model card and, if NIR can express it, the network as a NIR graph.

`load` returns the network of an exported folder. Needs the packages of the extra `export`.
"""

from benchmarks.card.weights import load

__all__ = ["load"]
