"""The state of an event-driven simulation for some images, layer by layer, on which `events.c` works.

Channels are the innermost dimension, `(images, pixels, width)`; the width is padded to whole vectors.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

LANES = 8


class Driven(Protocol):
    """The attributes of a neuron that a simulation needs."""

    threshold: Tensor
    start: float

    def driven(self, x: Tensor) -> Tensor:
        """Add the neuron's own constant current to `x`."""


class Presimulation(NamedTuple):
    """The first `steps` of a run, whose output is not read, and what follows from them (`baselines.srp`).

    After them a neuron whose membrane is at most `margin` times its threshold is silent for the rest of the run, and
    all membranes start again.
    """

    steps: int = 0
    margin: float = 0.0


READ_ALL = Presimulation()
"""A run whose output is read from the first step on."""


@dataclass(frozen=True)
class Term:
    """The connection from one layer to another; the fields are those of `events.c`."""

    source: str
    first: Tensor
    runs: Tensor
    weight: Tensor
    identity: bool


@dataclass(frozen=True)
class Windows:
    """Where the spikes of a layer go in a pooled map: windows of places `to[first[p]:first[p + 1]]` contain pixel p."""

    source: str
    first: Tensor
    to: Tensor


@dataclass(frozen=True)
class Map:
    """A map in front of a linear layer: pooled, or a sum, of the spikes of one layer or several.

    `places`: pixels of the map; `size`: the shape of its counts, `(H, W)`, or `()` if pixels are counted together.
    """

    parts: tuple[Windows, ...]
    places: int
    size: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """The part of a layer common to all images: `shape` `(C, H, W)` or `(C,)`, neuron (None: logits), connections."""

    shape: tuple[int, ...]
    neuron: Driven | None
    terms: list[Term]

    @property
    def pixels(self) -> int:
        return max(1, torch.Size(self.shape[1:]).numel())

    @property
    def width(self) -> int:
        return -(-self.shape[0] // LANES) * LANES


class _TermOfC(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("events", "count", "first", "runs", "weight")),
        *((name, ctypes.c_int64) for name in ("size", "row", "identity")),
    )


class _LayerOfC(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("membrane", "drive", "events", "count", "by_pixel", "by_channel")),
        *((name, ctypes.c_int64) for name in ("images", "pixels", "width", "varies")),
        ("threshold", ctypes.c_float),
    )


class _PoolOfC(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("events", "count", "first", "to", "last", "nonzero")),
        *((name, ctypes.c_int64) for name in ("images", "places", "width", "size")),
    )


class State:
    """A simulation of some images; `currents` and `logits` are those without any spike."""

    @torch.no_grad()
    def __init__(
        self,
        layers: dict[str, Layer],
        maps: dict[str, Map],
        currents: dict[str, Tensor],
        logits: Tensor,
        library: ctypes.CDLL,
    ) -> None:
        self.library, self.threads = library, torch.get_num_threads()
        self.without_spikes = logits
        self.layers: dict[str, _Running] = {}
        for name, layer in layers.items():
            current = currents.get(name, torch.zeros_like(logits))
            self.layers[name] = _Running(layer, current, self.layers)
        self.maps = {name: _Entering(entering, self.layers) for name, entering in maps.items()}
        self.spikes: dict[str, list[Tensor]] = {name: [] for name in layers if name}

    def step(self, last: str = "") -> None:
        """Advance all layers up to the one named `last` ("" is the readout) by one step."""
        for name, layer in self.layers.items():
            self.library.advance(*layer.of_c, ctypes.c_int64(self.threads))
            if name == last:
                break

    def restart(self, margin: float) -> None:
        """Silence neurons whose membrane is at most `margin` times their threshold, and start all layers again."""
        for layer in self.layers.values():
            layer.restart(margin)

    def count(self, step: int) -> None:
        """Count the spikes of the step (1, 2, ...) just made."""
        for name, spikes in self.spikes.items():
            spikes.append(self.layers[name].count.sum())
        for entering in self.maps.values():
            for part in entering.of_c:
                self.library.pool(ctypes.byref(part), ctypes.c_int64(step), ctypes.c_int64(self.threads))

    def by_step(self) -> dict[str, Tensor]:
        """Return the spikes of each layer of neurons at each step so far."""
        return {name: torch.stack(spikes) for name, spikes in self.spikes.items()}

    def pooled(self) -> dict[str, Tensor]:
        """Return the number of nonzero values of each map in front of a linear layer so far, by pixel."""
        return {name: entering.counts() for name, entering in self.maps.items()}

    def logits(self, steps: int) -> Tensor:
        """Return the mean of the logits over the steps, `(B, classes)`."""
        classes = self.without_spikes.shape[1]
        return self.layers[""].membrane[:, 0, :classes] / steps + self.without_spikes

    def emitted(self) -> dict[str, Tensor]:
        """Return the spikes of each layer of neurons so far, by pixel (in total for features without pixels)."""
        return {name: each.by_pixel.sum(0).view(each.layer.shape[1:]) for name, each in self.layers.items() if name}


class _Running:
    """The state of one layer. `current`: its current without any spike; `before`: the layers in front of it."""

    def __init__(self, layer: Layer, current: Tensor, before: dict[str, _Running]) -> None:
        images, pixels, width, neuron = len(current), layer.pixels, layer.width, layer.neuron
        drive = _channels_last(neuron.driven(current) if neuron else current, pixels, width)
        theta = neuron.threshold if neuron else torch.zeros((), dtype=torch.float32)
        self.layer, self.threshold = layer, theta
        self.membrane = drive + self.start
        self.membrane[..., layer.shape[0] :] = -torch.inf if neuron else 0.0  # padding never fires
        everywhere = drive[0, 0].clone()
        varies = not bool((drive == everywhere).all())
        self.events, self.count = _whole_numbers(images, pixels * width), _whole_numbers(images)
        self.by_pixel, self.by_channel = _whole_numbers(images, pixels), _whole_numbers(images, width)
        self.drive = drive if varies else everywhere
        spikes = (self.events, self.count, self.by_pixel, self.by_channel) if neuron else ()
        addresses = [x.data_ptr() for x in (self.membrane, self.drive, *spikes)] + [None] * (0 if neuron else 4)
        terms = [_term_of_c(term, before[term.source]) for term in layer.terms]
        of_c = _LayerOfC(*addresses, images, pixels, width, varies, theta.item())
        self.of_c = ctypes.byref(of_c), (_TermOfC * len(terms))(*terms), ctypes.c_int64(len(terms))

    @property
    def start(self) -> Tensor | float:
        """The membrane before the first step."""
        return self.layer.neuron.start * self.threshold if self.layer.neuron else 0.0

    def restart(self, margin: float) -> None:
        """Start again. The membrane has the drive of the coming step in it; at minus infinity it never fires."""
        silent = self.membrane - self.drive <= margin * self.threshold
        self.membrane.copy_(self.drive + self.start)
        if self.layer.neuron:
            self.membrane[silent] = -torch.inf


class _Entering:
    """The counts of one map. Its parts mark the same values, so that one that several spikes reach counts once."""

    def __init__(self, entering: Map, layers: dict[str, _Running]) -> None:
        sources = [layers[part.source] for part in entering.parts]
        images, width = len(sources[0].count), sources[0].layer.width
        self.size = entering.size
        self.last = _whole_numbers(images, entering.places * width)
        self.nonzero = _whole_numbers(images, entering.places)
        self.lists = [(part.first.int(), part.to.int()) for part in entering.parts]
        self.of_c = []
        for source, (first, to) in zip(sources, self.lists, strict=True):
            addresses = [x.data_ptr() for x in (source.events, source.count, first, to, self.last, self.nonzero)]
            self.of_c.append(_PoolOfC(*addresses, images, entering.places, width, source.events.shape[1]))

    def counts(self) -> Tensor:
        """Return the nonzero values so far, by pixel."""
        counts = self.nonzero.sum(0)
        return counts.view(self.size) if self.size else counts.sum()


def _term_of_c(term: Term, source: _Running) -> _TermOfC:
    addresses = [x.data_ptr() for x in (source.events, source.count, term.first, term.runs, term.weight)]
    return _TermOfC(*addresses, source.events.shape[1], term.weight[0].numel(), term.identity)


def _whole_numbers(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.int32)


def _channels_last(x: Tensor, pixels: int, width: int) -> Tensor:
    """`(B, C, ...)` -> `(B, pixels, width)`, padded with zeros."""
    out = x.new_zeros(len(x), pixels, width)
    out[..., : x.shape[1]] = x.flatten(2).transpose(1, 2) if x.dim() > 2 else x.unsqueeze(1)
    return out
