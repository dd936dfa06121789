"""A model card of one run (the form that model hubs read: a YAML head, then Markdown), from its records alone.

What was not recorded is a dash. A smoke run's card has its warning, and no accuracy in its head.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from benchmarks.runs.record import NUMERIC, Result, row
from reports.cost.costs import BUSY_CORES
from reports.energy import models
from reports.energy.models import FP32_45NM, EnergyModel
from reports.rendering.markdown import code, word
from reports.rendering.table import DASH, warning_of
from reports.statistics.intervals import wilson

BESIDE = "With dsr-bench and its extra `export` installed (at the commit above, if a later one refuses):\n\n"
LOAD = """```python
import torch
from benchmarks.card import load

network = load(".")  # this folder
logits = network(torch.zeros({shape}))  # {inputs}
```"""


def render(
    result: Result,
    recipe: Mapping[str, Any],
    title: str,
    inputs: str,
    shape: tuple[int, ...],
    nir: str,
    model: EnergyModel = FP32_45NM,
    weights: str | None = None,
) -> str:
    """The whole card.

    `recipe`: its fields, by name; `title`: the method's; `inputs`: what the network is given, in words; `shape`: of
    one input; `nir`: what is said of the NIR graph; `weights`: where they are, if not beside the card.
    """
    warning = warning_of(result.scale)
    load = weights or BESIDE + LOAD.format(shape=", ".join(map(str, shape)), inputs=inputs)
    parts = [
        _head(result),
        f"# {word(result.method)}, T = {result.timesteps}: {word(result.network)} on {word(result.dataset)}",
        *([f"> **{warning}**"] if warning else []),
        f"{word(title)}. One run of dsr-bench, scale {code(result.scale)}, seed {result.seed}, key {code(result.key)}.",
        "## Results",
        _table(_results(result, model)),
        "## Cost",
        _table(_cost(result)),
        "## Recipe",
        _table(_recipe(recipe)),
        "## Data",
        _table(_data(result)),
        "## Environment",
        _table(_environment(result)),
        "## Load",
        load,
        "## NIR",
        nir,
        "## Limitations",
        "\n".join(f"- {line}" for line in _limitations(result, recipe)),
    ]
    return "\n\n".join(parts) + "\n"


def _head(result: Result) -> str:
    """JSON strings are YAML strings."""
    lines = [
        "library_name: dsr-bench",
        "pipeline_tag: image-classification",
        f"tags: [spiking-neural-network, dsr-bench, {json.dumps(result.method)}, scale-{result.scale}]",
        f"datasets: [{json.dumps(result.dataset)}]",
        "metrics: [accuracy]",
    ]
    if result.top1 is not None and result.scale != "smoke":
        lines += [
            "model-index:",
            f"- name: {json.dumps(f'{result.method}-{result.network}-T{result.timesteps}-{result.scale}')}",
            "  results:",
            "  - task: {type: image-classification}",
            f"    dataset: {{name: {json.dumps(result.dataset)}, type: {json.dumps(result.dataset)}, split: test}}",
            f"    metrics: [{{type: accuracy, value: {result.top1 / 100:.4f}}}]",
        ]
    return "\n".join(["---", *lines, "---"])


def _results(result: Result, model: EnergyModel) -> Iterable[tuple[str, str]]:
    line = pd.DataFrame([row(result)]).astype(dict.fromkeys(NUMERIC, "float64"))
    images = f"{result.test_images:,} test images" if result.test_images else "test images not counted"
    yield f"accuracy, last epoch, {images}", _accuracy(result)
    yield "accuracy at the epoch best on test (chosen there: optimistic)", _number(result.top1_best, 2, " %")
    yield "accuracy at the epoch selected on validation images", _number(result.top1_validation_selected, 2, " %")
    yield "accuracy on held-out training images, last epoch", _number(result.validation_top1, 2, " %")
    yield "test loss", _number(result.test_loss, 4)
    yield f"energy per image: {models.ONCE} ({model})", _number(models.events(line, model).item(), 3, " µJ")
    yield f"energy per image: {models.EVERY_STEP}", _number(models.events_every_step(line, model).item(), 3, " µJ")
    yield f"energy per image: {models.DENSE}", _number(models.dense(line, model).item(), 3, " µJ")
    yield "accumulates per image, all steps", _number(result.acs, 0)
    if models.spiking(line).item():
        yield "multiply-accumulates per image", _number(result.analog_macs, 0)
    else:
        yield "multiply-accumulates per image", _number(result.dense_macs_per_step, 0)
        yield "of them with an activation that is not zero", _number(result.analog_macs, 0)
        if bits := result.activation_bits:
            billed = f"each billed as {bits} accumulates, at most as one multiply-accumulate"
            yield f"of these with an activation of {bits} bits, {billed}", _number(result.quantized_macs, 0)
    yield "firing rate, spikes per neuron and step", _number(result.firing_rate, 4)
    yield "parameters", _number(result.parameters, 0)


def _accuracy(result: Result) -> str:
    if result.top1 is None or not result.test_images:
        return _number(result.top1, 2, " %")
    found = wilson(result.top1, result.test_images)
    return f"{result.top1:.2f} % (95 % Wilson interval {found.low:.2f} to {found.high:.2f} %)"


def _cost(result: Result) -> Iterable[tuple[str, str]]:
    known = result.peak_step_bytes is not None and result.idle_bytes is not None
    memory = (result.peak_step_bytes or 0) - (result.idle_bytes or 0) if known else None
    load = result.other_load_cores
    busy = load is not None and load > BUSY_CORES
    yield "training, evaluation excluded", _number(result.train_cpu_seconds, 0, " core-seconds")
    for what, seconds, unit in (
        ("the same", result.train_seconds, "s"),
        ("one training step", result.train_step_ms, "ms"),
    ):
        shown = f"{DASH} (other processes took {load:.1f} cores meanwhile)" if busy else _number(seconds, 1, f" {unit}")
        yield f"{what}, by the clock", shown
    yield "peak memory of a step, above the idle process", _number(memory and memory / 2**20, 1, " MiB")
    yield "joules of training", _number(result.train_joules, 0, f" J ({word(result.train_joules_source or DASH)})")
    if result.parent_key:
        yield "starts from", f"the run of key {code(result.parent_key)}, whose training comes on top"


def _data(result: Result) -> Iterable[tuple[str, str]]:
    of = result.provenance
    yield "source", word(of.data_source) or DASH
    yield "SHA-256", word(of.data_sha256) or DASH
    yield "training images", _number(result.train_images, 0)
    yield "test images", _number(result.test_images, 0)
    yield "licence", "not recorded; the terms of those who published the data hold"


def _environment(result: Result) -> Iterable[tuple[str, str]]:
    of = result.provenance
    tree = {True: "changed", False: "as committed", None: "unknown"}[of.dirty]
    yield "commit", f"{word(of.commit)}, working tree {tree}"
    yield "started", word(of.started)
    yield "machine", f"{word(of.machine)}; {word(of.device)}; {of.threads} threads"
    yield "software", f"Python {word(of.python)}, torch {word(of.torch)}"


def _limitations(result: Result, recipe: Mapping[str, Any]) -> Iterable[str]:
    scale = {
        "paper": "Scale `paper`: the published recipe, unchanged.",
        "smoke": "Scale `smoke` shows that the code runs. The weights are of no other use.",
    }.get(result.scale, f"Scale `{result.scale}` is not the published recipe: compare it with rows of this scale only.")
    yield scale
    yield f"Where the recipe comes from: {word(str(recipe['sources']))}."
    yield f"One seed ({result.seed}): the interval holds how few test images there are, not how much training varies."
    if recipe["conversion"].get("test_images"):
        yield "Thresholds were measured on test images, as the released code does."
    if recipe["epochs"] and result.top1_validation_selected is None and result.validation_top1 is None:
        yield "No validation images were held out."
    yield "Energy is counted operations times constants; no chip was measured."
    if result.provenance.dirty is not False:
        yield "The code differed from its commit, or may have: the commit alone does not make this run again."


def _table(lines: Iterable[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "| :--- | :--- |", *(f"| {name} | {text} |" for name, text in lines)])


def _recipe(recipe: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What is set; a limit that is not set is none."""
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{part.replace('_', ' ')} {of}" for part, of in value.items())
        if value not in (None, "") and name != "revision":
            yield name.replace("_", " "), word(str(value))


def _number(value: float | None, decimals: int, unit: str = "") -> str:
    return DASH if value is None or math.isnan(value) else f"{value:,.{decimals}f}{unit}"
