"""The lines under a table: what its numbers mean, and what is wrong with some of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pandas as pd

from reports.cost.costs import BUSY_CORES
from reports.energy.models import FEW_BITS, EnergyModel, has_few_bits

INTERVALS = {
    "student-t": "± is half the 95 % Student t interval over seeds; [low, high] where it is cut at 0 or 100 %.",
    "two values": "(a, b) are the values of two seeds.",
    "wilson": "[low, high] is the 95 % Wilson interval of one seed over its test images.",
}
HELD_OUT = (
    "Held out: training images that no run trains on, after the last epoch. Where the test split was read once, after "
    "the last epoch, no other epoch's accuracy on it is known: a dash."
)
ENERGY = (
    "Energy: {}. Events are what hardware that skips zeros pays: MACs of an ANN's nonzero activations, accumulates of "
    "spikes and the MACs of the first layer, once or at every step. Dense: every synapse at every step."
)
PARENT = (
    "† includes its parent ANN: core-seconds and training time are its own plus the parent's; "
    "memory and step time are the parent's where it has none of its own."
)
CORE_SECONDS = (
    "Core-seconds: user and system time of the run's own processes while it trained; a dash where it was not recorded. "
    "They compare only between runs whose cores were equally fast. a to b: least and most of the seeds, where this was "
    "not so or is not known."
)
CORE_SPEED = "Core speed: of a fixed float32 convolution, forward and backward, after every epoch."
BUSY = f"* no time by the clock: other processes took more than {BUSY_CORES} cores meanwhile; see core-seconds."


def notes(lines: pd.DataFrame, rows: pd.DataFrame, model: EnergyModel) -> Iterator[str]:
    """The notes of one table, from its aggregated lines and the rows they come from."""
    kinds = [text for kind, text in INTERVALS.items() if lines["interval"].eq(kind).any()]
    yield " ".join(["Accuracy: last epoch on the test split; best on test chooses its epoch there.", *kinds])
    if lines["validation_top1"].notna().any():
        yield HELD_OUT
    yield ENERGY.format(model)
    if has_few_bits(rows):
        yield FEW_BITS
    if lines[["memory_from_parent", "step_from_parent", "seconds_with_parent", "cpu_seconds_with_parent"]].any(
        axis=None
    ):
        yield PARENT
    yield CORE_SECONDS
    if lines["busy"].any():
        yield BUSY
    yield from _machines(rows)
    yield from _failures(rows[rows["status"] != "done"])


def _machines(rows: pd.DataFrame) -> Iterator[str]:
    done = rows[rows["status"] == "done"]
    count = len(done[["machine", "device", "threads"]].drop_duplicates())
    if count > 1:
        yield f"Times and memory come from {count} different machines or settings."


def _failures(failed: pd.DataFrame) -> Iterator[str]:
    """How many runs are left out of the means, and why."""
    if failed.empty:
        return
    why = failed["status"].str.cat(
        failed["reason"].map(_one_line, na_action="ignore"), sep=": ", na_rep="no reason given"
    )
    run = failed["method"] + " T=" + failed["timesteps"].astype(str)
    counted = "; ".join(
        f"{len(seeds)} x {run} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))}), {why}"
        for (run, why), seeds in failed["seed"].groupby([run, why], sort=False)
    )
    yield f"{len(failed)} failed and {'is' if len(failed) == 1 else 'are'} not in the means: {counted}."


def _one_line(reason: str) -> str:
    return textwrap.shorten(reason, 120, placeholder=" ...")
