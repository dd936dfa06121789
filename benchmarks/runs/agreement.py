"""Layers and curves of runs: what their cells may hold, and whether they say the same as the rows beside them.

    accumulates of all layers   =  the row's `acs` (layers that spikes or sums of spikes enter)
    multiply-accumulates        =  its `analog_macs`, or `analog_macs_every_step`, as older ledgers counted
    the last epoch's accuracy   =  its `top1`, but for two images

Reports and exports ask this of the same files, so that a line that is lost, doubled or edited is noticed by both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.files import columns
from benchmarks.files.columns import Number, Words

ACCUMULATES = ("ac", "sum")
"""Kinds of layers that spikes enter; those of a sum enter one by one."""
KINDS = (*ACCUMULATES, "mac")
CLOSE = 1e-6
"""Relative: sums of floats that were taken in another order, or written with fewer digits."""
SIZE, WHOLE, AMOUNT = Number(1, whole=True), Number(whole=True), Number()
LATER_OF_LAYERS = ("neuron_updates", "neuron_leaks")
"""Columns that older layers lack."""
LAYERS: columns.Rules = {
    "key": Words(needed=True),
    "layer": Words(needed=True),
    "origin": Words(),
    "kind": Words(KINDS, needed=True),
    "operation": Words(("conv", "transposed", "linear", "add", "pool", "temporal"), needed=True),
    **dict.fromkeys(("in_channels", "out_channels", "kernel", "stride", "groups", "out_height", "out_width"), SIZE),
    **dict.fromkeys(("weights", "biases", "dense_macs_per_step", "padded_macs_per_step"), WHOLE),
    **dict.fromkeys(("operations", "operations_graded_pool", "input_nonzero", "output_spikes"), AMOUNT),
    "output_neurons": WHOLE,
    "timesteps": SIZE,
    "analog_repeats": SIZE,
    **dict.fromkeys(LATER_OF_LAYERS, AMOUNT),
}
CURVES: columns.Rules = {
    "key": Words(needed=True),
    "epoch": Number(1, whole=True, needed=True),
    **dict.fromkeys(("train_seconds", "train_joules"), AMOUNT),
    "test_top1": Number(high=100.0),
    **dict.fromkeys(("train_loss", "train_cpu_seconds"), AMOUNT),
    "validation_top1": Number(high=100.0),
}
LATER_OF_CURVES = ("train_loss", "train_cpu_seconds", "validation_top1")
"""Columns that older curves lack."""

Row = Mapping[str, Any]
Lines = Sequence[Mapping[str, str]]


def checked_layers(lines: Lines, where: str) -> Lines:
    """The lines of a file of layers as they are. Raises BadInput for the first one that no run can have left."""
    columns.refuse(lines, LAYERS, where, LATER_OF_LAYERS)
    columns.refuse_repeated(lines, ("key", "layer"), where)
    return lines


def checked_curves(lines: Lines, where: str, later: Sequence[str] = LATER_OF_CURVES) -> Lines:
    """The same for a file of curves."""
    columns.refuse(lines, CURVES, where, later)
    columns.refuse_repeated(lines, ("key", "epoch"), where)
    return lines


def layers_differ(lines: Lines, row: Row) -> str:
    """How the layers of a run contradict its row's operations; empty where they agree, or one of them does not say."""
    spiking = [line for line in lines if line["kind"] in ACCUMULATES]
    graded = [line for line in lines if line["kind"] not in ACCUMULATES]
    for what, of, column, stated in (
        ("acs", spiking, "operations", ("acs",)),
        ("analog_macs", graded, "operations", ("analog_macs", "analog_macs_every_step")),
        ("dense_macs_per_step", lines, "dense_macs_per_step", ("dense_macs_per_step",)),
    ):
        found = math.fsum(_number(line[column]) for line in of)
        values = [_number(row.get(name)) for name in stated]
        if not any(math.isnan(value) or math.isclose(found, value, rel_tol=CLOSE, abs_tol=CLOSE) for value in values):
            return f"its layers add up to {what} = {found:.12g} and its row says {values[0]:.12g}"
    return ""


def curve_differs(lines: Lines, row: Row) -> str:
    """How a run's curve contradicts its row's accuracy or number of epochs; empty where they agree.

    The row's accuracy was measured once more after the last epoch. A GPU's choice of kernels may move two images
    (`benchmarks.execution` allows as many between its own two measurements), and so may the difference be here.
    """
    epochs = [float(line["epoch"]) for line in lines]
    if epochs != [*range(1, len(epochs) + 1)]:
        return f"its curve does not have the epochs 1 to {len(epochs)} in order"
    last, top1 = lines[-1], _number(row.get("top1"))
    images = _number(row.get("test_images"))
    few = 200 / (2000.0 if math.isnan(images) else images)
    if last.get("test_top1") and abs(float(last["test_top1"]) - top1) > max(0.1, few):
        return f"its curve ends at {last['test_top1']} % and its row says top1 = {top1:.2f}"
    held_out = _number(row.get("validation_top1"))
    if last.get("validation_top1") and abs(float(last["validation_top1"]) - held_out) > 0.01:
        return f"its curve ends at {last['validation_top1']} % of held-out images and its row says {held_out:.2f}"
    stated = _number(row.get("epochs"))
    if stated and not math.isnan(stated) and epochs[-1] != stated:
        return f"its curve ends with epoch {epochs[-1]:.0f} and its row says {stated:.0f} epochs"
    return ""


def _number(value: Any) -> float:
    """A cell's number, or NaN where it is empty."""
    return math.nan if value is None or value == "" else float(value)
