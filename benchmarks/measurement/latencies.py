"""One simulated run gives the results of every shorter one: accuracy and operations after each of several step counts.

A converted network's logits after t steps are the mean of what it has emitted so far, so the longest run passes through
all shorter ones, as long as nothing in it depends on T. Logits are accumulated: memory does not grow with T. What has
been added up is saved after every batch of images, and an interrupted simulation goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.data import Dataset, evaluation_batches
from benchmarks.measurement import predictions
from benchmarks.measurement.evaluation import Evaluation
from benchmarks.measurement.predictions import Predictions, joined, put
from benchmarks.operations import neurobench, silence
from benchmarks.operations.counter import Counter, inputs_of
from benchmarks.operations.ledger import LedgerRow, RateRow
from benchmarks.operations.structure import INPUT, Structure, structure
from benchmarks.operations.tally import Tally, of_input
from benchmarks.recipes import GRID, anytime
from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.runs.order import longer
from benchmarks.runs.record import Result, read_csv, save, write_whole
from benchmarks.spec import Run

IMAGES = 100
"""Images that are simulated between two savings; no result depends on it."""


class Passed(Protocol):
    """A run after some steps: logits `(B, classes)`, and counts over all images so far.

    `emitted` and `by_step`: each neuron's spikes by pixel and by step; `pooled`: nonzero values by pixel of the pools
    in front of linear layers.
    """

    @property
    def logits(self) -> Tensor: ...
    @property
    def emitted(self) -> Mapping[str, Tensor]: ...
    @property
    def by_step(self) -> Mapping[str, Tensor]: ...
    @property
    def pooled(self) -> Mapping[str, Tensor]: ...


@runtime_checkable
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
    counter: Counter
    predictions: Predictions


@dataclass
class Sums:
    """Over the images seen so far, one entry per stop; `predictions`: empty while none has been seen."""

    stops: list[int]
    images: int = 0
    correct: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    predictions: list[Predictions] = field(default_factory=list)


def stops_of(run: Run) -> list[int]:
    """The step counts at which a run's simulation is read: its own, and those of the grid that it passes."""
    passed = [steps for steps in GRID if steps < run.timesteps] if anytime(run.method) else []
    return [*passed, run.timesteps]


@torch.no_grad()
def simulate(
    network: nn.Module, data: Dataset, stops: list[int], saved: Any, keep: Callable[[dict[str, Any]], None]
) -> list[Stop]:
    """Run the whole test split through a `Simulated` network in evaluation mode; one `Stop` per entry of `stops`.

    `saved`: what `keep` was last given, or None.
    """
    assert isinstance(network, Simulated)
    zero = [0] * len(stops)
    sums = Sums(stops, 0, zero.copy(), [0.0] * len(stops), [Tally(steps) for steps in stops])
    if saved and saved["stops"] == stops and "predictions" in saved:
        parts = {"tallies": Tally, "predictions": Predictions}
        sums = Sums(**saved | {name: [part(**one) for one in saved[name]] for name, part in parts.items()})
    for number, (images, labels) in enumerate(evaluation_batches(data.test, data, IMAGES)):
        if number * IMAGES >= sums.images:
            _add(sums, network, images, labels)
            keep(asdict(sums))
    found, inputs = structure(network, data.example), inputs_of(data.example)
    return [_read(sums, at, found, inputs) for at in range(len(stops))]


def _add(sums: Sums, network: Simulated, images: Tensor, labels: Tensor) -> None:
    given, found = {INPUT: of_input(images)[0]}, list[Predictions]()
    for at, passed in enumerate(network.trajectory(images, sums.stops)):
        found.append(predictions.of(passed.logits, labels))
        sums.correct[at] += int(found[at].correct.sum())
        sums.loss[at] += float(F.cross_entropy(passed.logits, labels, reduction="sum").double())
        tally = sums.tallies[at]
        tally.images += len(labels)
        _add_up(tally.by_pixel, {**passed.emitted, **passed.pooled, **given})
        _add_up(tally.by_step, passed.by_step)
    before = [[one] for one in sums.predictions] or [[] for _ in found]
    sums.predictions = [joined([*seen, now]) for seen, now in zip(before, found, strict=True)]
    sums.images += len(labels)


def _add_up(totals: dict[str, Tensor], counts: Mapping[str, Tensor]) -> None:
    for name, count in counts.items():
        totals[name] = totals.get(name, 0) + count.cpu().long()


def _read(sums: Sums, at: int, found: Structure, inputs: int) -> Stop:
    top1, loss = 100.0 * sums.correct[at] / sums.images, sums.loss[at] / sums.images
    return Stop(sums.stops[at], top1, loss, Counter(found, sums.tallies[at], inputs), sums.predictions[at])


def evaluation(stop: Stop) -> Evaluation:
    """Accuracy without a speed: operations were counted all the while."""
    return Evaluation(stop.loss, stop.top1, None, stop.predictions)


def write(stops: list[Stop], place: Path) -> None:
    """Keep all stops in the run's directory; the last one's predictions are the run's own."""
    for stop in stops[:-1]:
        predictions.write(stop.predictions, _predicted(place, stop.timesteps))
    text = json.dumps([_record(stop) for stop in stops], indent=1)
    write_whole(place / store.STOPS, text + "\n")


def _predicted(place: Path, timesteps: int) -> Path:
    return place / f"predictions-T{timesteps}.npz"


def _record(stop: Stop) -> dict[str, Any]:
    counted = {"operations": asdict(stop.counter.per_image()), "ledger": [asdict(row) for row in stop.counter.ledger()]}
    return {"timesteps": stop.timesteps, "top1": stop.top1, "loss": stop.loss, **counted}


def take(job: Job, sweep: str | None) -> Result | None:
    """The recorded result of a run that a longer one of the same experiment has passed through; None if none has.

    It names the longer run's code and machine.
    """
    for other in longer(job):
        source = other.result()
        if not source or not other.is_done() or not (other.place / store.STOPS).exists():
            continue  # a run that was taken from a longer one has no stops itself
        for stop in json.loads((other.place / store.STOPS).read_text(encoding="utf-8")):
            if stop["timesteps"] == job.run.timesteps:
                job.describe(sweep)
                return _taken(job, other, source, stop)
    return None


def _taken(job: Job, longer: Job, source: Result, stop: Mapping[str, Any]) -> Result:
    """Record a run from a stop of a longer one, whose result is `source`."""
    _take_counts(stop, longer.place, job.place)
    measured = {"top1": stop["top1"], "test_loss": stop["loss"], **stop["operations"]}
    measured["predictions_sha256"] = _take_predictions(job, longer)
    measured["reason"] = silence.mention(job)
    result = replace(source, key=job.key, timesteps=job.run.timesteps, **measured)
    neurobench.write(job.place, result, neurobench.static_of(longer.place))
    save(result, job.place / store.RESULT)
    return result


def _take_predictions(job: Job, longer: Job) -> str | None:
    """Copy those of a stop and return their digest; older runs have none."""
    predicted = _predicted(longer.place, job.run.timesteps)
    return put(predicted.read_bytes(), job.place / store.PREDICTIONS) if predicted.exists() else None


def _take_counts(stop: Mapping[str, Any], origin: Path, place: Path) -> None:
    """Ledger and rates up to a stop; older runs have fewer columns, and no rates."""
    known = {column.name for column in fields(LedgerRow)}
    rows = ({name: value for name, value in row.items() if name in known} for row in stop["ledger"])
    store.write_table(place / store.LEDGER, [LedgerRow(**row) for row in rows])
    passed = read_csv(origin / store.RATES) if (origin / store.RATES).exists() else []
    rates = (RateRow(row.pop("layer"), **{name: int(value) for name, value in row.items()}) for row in passed)
    store.write_table(place / store.RATES, [rate for rate in rates if rate.step <= stop["timesteps"]])
