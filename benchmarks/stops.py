"""One simulated run gives the results of every shorter one: accuracy and operations after each of several step counts.

A converted network's logits after t steps are the mean of what it has emitted so far, so the longest run passes through
all shorter ones, as long as nothing in it depends on T. Logits are accumulated: memory does not grow with T. What has
been added up is saved after every batch of images, and an interrupted simulation goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import store
from benchmarks.data import Dataset, evaluation_batches
from benchmarks.evaluation import Evaluation
from benchmarks.identity import key
from benchmarks.recipes import GRID, anytime, resolve
from benchmarks.record import Result, save, write_whole
from benchmarks.spec import Run
from benchmarks.structure import Structure, structure
from benchmarks.synops import Counter, LedgerRow, SynOps

IMAGES = 100
"""Images that are simulated between two savings; no result depends on it."""


class Passed(Protocol):
    """A run after some steps: logits `(B, classes)`, and each neuron's spikes so far by pixel, over all images."""

    @property
    def logits(self) -> Tensor: ...
    @property
    def emitted(self) -> Mapping[str, Tensor]: ...


class Simulated(Protocol):
    """A network that is run step by step."""

    def trajectory(self, x: Tensor, stops: Sequence[int]) -> Iterator[Passed]:
        """What a run on `x` that ends at each of `stops` (ascending) gives."""


@dataclass(frozen=True)
class Stop:
    """What a run of `timesteps` steps measures."""

    timesteps: int
    top1: float
    loss: float
    operations: SynOps
    ledger: list[LedgerRow]


@dataclass
class Sums:
    """Over the images seen so far; `emitted` per stop counts the spikes of each neuron by pixel."""

    stops: list[int]
    images: int = 0
    correct: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    emitted: list[dict[str, Tensor]] = field(default_factory=list)


def stops_of(run: Run) -> list[int]:
    """The step counts at which a run's simulation is read: its own, and those of the grid that it passes."""
    return [t for t in GRID if t < run.timesteps and anytime(run.method)] + [run.timesteps]


@torch.no_grad()
def simulate(
    network: nn.Module, data: Dataset, stops: list[int], saved: Any, keep: Callable[[dict[str, Any]], None]
) -> list[Stop]:
    """Run the whole test split through a `Simulated` network in evaluation mode; one `Stop` per entry of `stops`.

    `saved`: what `keep` was last given, or None.
    """
    zero = [0] * len(stops)
    sums = Sums(stops, 0, zero.copy(), [0.0] * len(stops), [{} for _ in stops])
    if saved and saved["stops"] == stops:
        sums = Sums(**saved)
    for number, (images, labels) in enumerate(evaluation_batches(data.test, data, IMAGES)):
        if number * IMAGES >= sums.images:
            _add(sums, network, images, labels)  # type: ignore[arg-type]
            keep(asdict(sums))
    found = structure(network, data.example)
    return [_read(sums, at, network, found) for at in range(len(stops))]


def _add(sums: Sums, network: Simulated, images: Tensor, labels: Tensor) -> None:
    for at, passed in enumerate(network.trajectory(images, sums.stops)):
        sums.correct[at] += int((passed.logits.argmax(1) == labels).sum())
        sums.loss[at] += float(F.cross_entropy(passed.logits, labels, reduction="sum").double())
        total = sums.emitted[at]
        for name, count in passed.emitted.items():
            total[name] = total.get(name, 0) + count.cpu().long()
    sums.images += len(labels)


def _read(sums: Sums, at: int, network: nn.Module, found: Structure) -> Stop:
    steps, images = sums.stops[at], sums.images
    counter = Counter(network, steps, found.layers, found.neurons, sums.emitted[at], images)
    top1, loss = 100.0 * sums.correct[at] / images, sums.loss[at] / images
    return Stop(steps, top1, loss, counter.per_image(), counter.ledger())


def evaluation(stop: Stop) -> Evaluation:
    """Accuracy without a speed: operations were counted all the while."""
    return Evaluation(stop.loss, stop.top1, None)


def write(stops: list[Stop], place: Path) -> None:
    """Keep all stops in the run's directory."""
    write_whole(place / store.STOPS, json.dumps([asdict(stop) for stop in stops], indent=1) + "\n")


def take(run: Run, results: Path, sweep: str | None) -> Result | None:
    """The recorded result of a run that a longer one of the same experiment has passed through; None if none has.

    It names the longer run's code and machine.
    """
    for longer in _longer(run):
        source, kept = store.result(results, longer), store.directory(results, longer) / store.STOPS
        if not source or source.status != "done" or not kept.exists():  # what was taken itself has no stops
            continue
        for stop in json.loads(kept.read_text()):
            if stop["timesteps"] == run.timesteps:
                store.describe(place := store.directory(results, run), run, sweep)
                store.write_table(place / store.LEDGER, [LedgerRow(**row) for row in stop["ledger"]])
                measured = {"top1": stop["top1"], "test_loss": stop["loss"], **stop["operations"]}
                result = replace(source, key=key(run), timesteps=run.timesteps, **measured)
                save(result, place / store.RESULT)
                return result
    return None


def _longer(run: Run) -> Iterator[Run]:
    """Runs that pass through this one: other T, same recipe."""
    for steps in (t for t in GRID if t > run.timesteps and anytime(run.method)):
        longer = replace(run, timesteps=steps)
        if resolve(longer) == resolve(run):
            yield longer


def passed_through(run: Run, others: Iterable[Run]) -> bool:
    """Whether one of the others will have measured this run."""
    return not set(others).isdisjoint(_longer(run))
