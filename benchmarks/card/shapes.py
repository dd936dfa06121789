"""The input of a network, in words and as a shape."""

from __future__ import annotations

from benchmarks.catalogue.datasets import ENTRIES
from benchmarks.data import DATASETS
from benchmarks.data.inputs import Counts, Pixels
from benchmarks.recipes import frames
from benchmarks.spec import Recipe, Run, require


def described(run: Run, recipe: Recipe, channels: int | None = None) -> tuple[str, tuple[int, ...]]:
    """Return the network's input in words, and the shape of one input; `channels` None: those of the data set."""
    inputs = DATASETS[require(run.dataset, DATASETS, "dataset")].inputs
    channels = channels or (2 if isinstance(inputs, Counts) else len(inputs.mean))
    if isinstance(inputs, Counts):
        count = frames(run, recipe)
        shape = (channels, inputs.size, inputs.size)
        words = f"event counts of {count} frames" if count > 1 else "mean event counts"
        return f"{words}, {inputs.size} x {inputs.size} pixels", (count, 1, *shape) if count > 1 else (1, *shape)
    assert isinstance(inputs, Pixels)
    size = recipe.image_size or ENTRIES[run.dataset].edge
    return f"(pixels / 255 - {_listed(inputs.mean)}) / {_listed(inputs.std)}", (1, channels, size, size)


def _listed(values: tuple[float, ...]) -> str:
    return str(values[0]) if len(values) == 1 else str(values)
