"""One simulated run gives the results of every shorter one: accuracy and operations after each of several step counts.

A converted network's logits after t steps are the mean of what it has emitted so far, so the longest run passes through
all shorter ones, as long as nothing in it depends on T. Logits are accumulated: memory does not grow with T. What has
been added up is saved after every batch of images, and an interrupted simulation goes on from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.data import Dataset, evaluation_batches
from benchmarks.files import columns, json_files
from benchmarks.measurement import predictions
from benchmarks.measurement.evaluation import Evaluation
from benchmarks.measurement.predictions import Predictions, joined, put
from benchmarks.operations import neurobench, silence
from benchmarks.operations.counter import Counter, SynOps, inputs_of
from benchmarks.operations.ledger_rows import RULES, LedgerRow, per_image, read_rates
from benchmarks.operations.structure import INPUT, Structure, structure
from benchmarks.operations.tally import Tally, of_input
from benchmarks.recipes import GRID, anytime, resolve
from benchmarks.recipes.delays import heard_from
from benchmarks.runs import agreement, store
from benchmarks.runs.job import Job
from benchmarks.runs.order import longer
from benchmarks.runs.record import Result, save, write_whole
from benchmarks.spec import BadInput, Run, one_line

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
    if not anytime(run.method):
        return [run.timesteps]
    first, _ = heard_from(run, resolve(run))
    return [*(steps for steps in GRID if first <= steps < run.timesteps), run.timesteps]


@torch.no_grad()
def simulate(
    network: nn.Module, data: Dataset, stops: list[int], saved: Any, keep: Callable[[dict[str, Any]], None]
) -> list[Stop]:
    """Run the whole test split through a `Simulated` network in evaluation mode; one `Stop` per entry of `stops`.

    `saved`: what `keep` was last given, or None.
    """
    assert isinstance(network, Simulated)
    zero = [0] * len(stops)
    sums = _continued(saved, stops) or Sums(stops, 0, zero, [0.0] * len(stops), [Tally(steps) for steps in stops])
    for number, (images, labels) in enumerate(evaluation_batches(data.test, data, IMAGES)):
        if number * IMAGES >= sums.images:
            _add(sums, network, images, labels)
            keep(asdict(sums))
    found, inputs = structure(network, data.example), inputs_of(data.example)
    return [_read(sums, at, found, inputs) for at in range(len(stops))]


def _continued(saved: Any, stops: list[int]) -> Sums | None:
    """The sums that were saved, if they are of these stops. Raises BadInput for what are no sums."""
    if not saved:
        return None
    parts = {"tallies": Tally, "predictions": Predictions}
    try:
        if saved["stops"] != stops or "predictions" not in saved:
            return None
        return json_files.made(Sums, saved | {n: [part(**one) for one in saved[n]] for n, part in parts.items()})
    except (TypeError, KeyError, ValueError) as error:
        raise BadInput(
            f"{store.CHECKPOINT} holds no sums of a simulation ({one_line(error)}); without it, it begins anew"
        ) from error


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
    passed = {
        stop.timesteps: predictions.write(stop.predictions, _predicted(place, stop.timesteps)) for stop in stops[:-1]
    }
    text = json.dumps([_record(stop, passed.get(stop.timesteps)) for stop in stops], indent=1)
    write_whole(place / store.STOPS, text + "\n")


def _predicted(place: Path, timesteps: int) -> Path:
    return place / f"predictions-T{timesteps}.npz"


def _record(stop: Stop, predictions_sha256: str | None) -> dict[str, Any]:
    counted = {"operations": asdict(stop.counter.per_image()), "ledger": [asdict(row) for row in stop.counter.ledger()]}
    measured = {"timesteps": stop.timesteps, "top1": stop.top1, "loss": stop.loss}
    return {**measured, "predictions_sha256": predictions_sha256, **counted}


def take(job: Job, sweep: str | None) -> Result | None:
    """The recorded result of a run that a longer one of the same experiment has passed through; None if none has.

    It names the longer run's code and machine.
    """
    for other in longer(job):
        source = other.result()
        if not source or not other.is_done() or not (other.place / store.STOPS).exists():
            continue  # a run that was taken from a longer one has no stops itself
        for stop in _recorded(other.place / store.STOPS):
            if stop.timesteps == job.run.timesteps:
                job.describe(sweep)
                return _taken(job, other, source, stop)
    return None


@dataclass(frozen=True)
class Recorded:
    """A stop as `stops.json` has it. Older runs have no digest of predictions, and fewer columns in their ledgers."""

    timesteps: int
    top1: float
    loss: float
    operations: Mapping[str, Any]
    ledger: Sequence[Any]
    predictions_sha256: str | None = None

    @property
    def rows(self) -> list[LedgerRow]:
        known = {column.name for column in fields(LedgerRow)}
        return [json_files.made(LedgerRow, {n: v for n, v in row.items() if n in known}) for row in self.ledger]


def _recorded(path: Path) -> list[Recorded]:
    """The stops of a run. Raises BadInput for a file that is damaged, or whose numbers contradict each other."""
    try:
        stated = json_files.read(path)
        if not isinstance(stated, list):
            raise ValueError("it is no list of stops")
        found = [json_files.made(Recorded, stop) for stop in stated]
        for stop in found:
            _check(stop)
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{path} is damaged, or of another version: {one_line(error)}") from error
    return found


def _check(stop: Recorded) -> None:
    """Raise ValueError for a stop whose ledger is not what its operations and its accuracy are of."""
    lines = [{name: "" if value is None else str(value) for name, value in asdict(row).items()} for row in stop.rows]
    columns.refuse(lines, RULES, f"T={stop.timesteps}", what="field")
    json_files.made(SynOps, stop.operations)
    images = stop.rows[0].images if stop.rows else 1
    if wrong := agreement.layers_differ(per_image(lines), stop.operations):
        raise ValueError(f"T={stop.timesteps}: {wrong}")
    if not 0 <= stop.top1 <= 100 or abs(stop.top1 * images / 100 - round(stop.top1 * images / 100)) > 1e-6:
        raise ValueError(f"T={stop.timesteps}: top1 = {stop.top1} is no share of {images} images")


def _taken(job: Job, longer: Job, source: Result, stop: Recorded) -> Result:
    """Record a run from a stop of a longer one, whose result is `source`."""
    _take_counts(stop, longer.place, job.place)
    measured = {"top1": stop.top1, "test_loss": stop.loss, **stop.operations}
    measured["predictions_sha256"] = _take_predictions(job, longer, stop)
    measured["reason"] = silence.mention(job)
    result = replace(source, key=job.key, timesteps=job.run.timesteps, **measured)
    neurobench.write(job.place, result, neurobench.static_of(longer.place, source.weights_sha256))
    save(result, job.place / store.RESULT)
    return result


def _take_predictions(job: Job, longer: Job, stop: Recorded) -> str | None:
    """Copy those of a stop and return their digest; older runs have none. Raises BadInput for a damaged file."""
    predicted = _predicted(longer.place, job.run.timesteps)
    if not predicted.exists():
        return None
    packed = predicted.read_bytes()
    if stop.predictions_sha256 not in (None, hashlib.sha256(packed).hexdigest()):
        raise BadInput(f"{predicted} is damaged: {store.STOPS} beside it names another digest")
    return put(packed, job.place / store.PREDICTIONS)


def _take_counts(stop: Recorded, origin: Path, place: Path) -> None:
    """Ledger and rates up to a stop; older runs have no rates. Raises BadInput for rates that contradict the ledger."""
    rates = [rate for rate in read_rates(origin / store.RATES) if rate.step <= stop.timesteps]
    emitted: dict[str, int] = {}
    for rate in rates:
        emitted[rate.layer] = emitted.get(rate.layer, 0) + rate.spikes
    for row in stop.rows:
        if rates and row.neuron and row.neuron_updates is not None and emitted.get(row.neuron) != row.output_nonzero:
            raise BadInput(f"{origin / store.RATES} contradicts {store.STOPS} beside it: spikes of {row.neuron}")
    store.write_table(place / store.LEDGER, stop.rows)
    store.write_table(place / store.RATES, rates)
