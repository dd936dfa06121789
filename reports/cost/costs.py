"""What each run really cost: conversion is cheap only because somebody trained its parent.

true seconds = own seconds + the parent's true seconds, core-seconds and joules likewise;
peak memory = peak of a full step - what lay there before it

Wall time says nothing where other work ran beside: then it is not shown (`quiet_*` is NaN). Core-seconds, the user and
system time of the run's processes, hardly change with the load.
"""

from __future__ import annotations

import math

import pandas as pd

from reports.energy import models
from reports.energy.models import FP32_45NM, EnergyModel

BUSY_CORES = 0.25
"""Other processes' load, in cores, above which a wall time is not shown."""
EQUALLY_FAST = 1.1
"""Core-seconds are compared of cores whose speeds differ by this factor at most."""


def equally_fast(rows: pd.DataFrame) -> bool:
    """Whether the cores of these runs are known to have been equally fast; those of a single run are."""
    speeds = rows["core_gflops"]
    return len(rows) == 1 or bool(speeds.notna().all() and speeds.max() <= EQUALLY_FAST * speeds.min())


def ends_of_core_seconds(rows: pd.DataFrame) -> dict[str, float]:
    """The least and the most core-seconds of runs of one line; NaN where their mean compares."""
    seconds = rows["true_train_cpu_seconds"]
    low, high = float(seconds.min()), float(seconds.max())
    if equally_fast(rows) or seconds.isna().any() or low == high:
        low = high = math.nan
    return {"core_seconds_low": low, "core_seconds_high": high}


def with_costs(frame: pd.DataFrame, model: EnergyModel = FP32_45NM) -> pd.DataFrame:
    """The rows with their derived costs; `*_from_parent` and `busy` say how a number came about."""
    parent = _parents(frame)
    memory = frame["peak_step_bytes"] - frame["idle_bytes"]
    parent_memory = parent["peak_step_bytes"] - parent["idle_bytes"]
    step, parent_step = frame["train_step_ms"], parent["train_step_ms"]
    seconds, seconds_before = with_ancestors(frame, "train_seconds")
    core_seconds, core_seconds_before = with_ancestors(frame, "train_cpu_seconds")
    joules, joules_before = with_ancestors(frame, "train_joules")
    busy, with_parent = _busy(frame), frame["parent_key"].notna()
    return frame.assign(
        energy_events_microjoules=models.events(frame, model),
        energy_events_every_step_microjoules=models.events_every_step(frame, model),
        energy_dense_microjoules=models.dense(frame, model),
        peak_memory_bytes=memory.fillna(parent_memory),
        memory_from_parent=memory.isna() & parent_memory.notna(),
        train_step_ms=step.fillna(parent_step),
        step_from_parent=step.isna() & parent_step.notna(),
        true_train_seconds=seconds,
        quiet_train_seconds=seconds.mask(busy),
        true_train_cpu_seconds=core_seconds,
        true_train_joules=joules,
        ancestors_train_seconds=seconds_before,
        ancestors_train_cpu_seconds=core_seconds_before,
        ancestors_train_joules=joules_before,
        seconds_with_parent=with_parent & seconds.notna(),
        cpu_seconds_with_parent=with_parent & core_seconds.notna(),
        images_per_second=_images_per_second(frame),
        busy=busy,
        spiking=models.spiking(frame),
    )


def _busy(frame: pd.DataFrame) -> pd.Series:
    """Whether other work ran beside a run, or beside an ancestor whose training counts with it."""
    loaded = dict(zip(frame["key"], frame["other_load_cores"].gt(BUSY_CORES), strict=True))
    parents = dict(zip(frame["key"], frame["parent_key"], strict=True))

    def beside(key: str) -> bool:
        return bool(loaded.get(key, False)) or (isinstance(parents.get(key), str) and beside(parents[key]))

    return frame["key"].map(beside).astype(bool)


def _images_per_second(frame: pd.DataFrame) -> pd.Series:
    """Training images per second of whole epochs, loading included; NaN for a run that trains nothing."""
    seconds = frame["train_seconds"].where(frame["train_seconds"] > 0)
    return (frame["train_images"] * frame["epochs"] / seconds).where(frame["epochs"] > 0)


def _parents(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row's parent, on the row's own index; all missing where there is none."""
    by_key = _done(frame).set_index("key")
    return by_key.reindex(frame["parent_key"]).set_axis(frame.index)


def with_ancestors(frame: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """What training took with all ancestors', and theirs alone (0 without any); NaN as soon as one is unknown."""
    # A conversion that trains nothing may leave the cell empty: that is 0 of its own, not unknown.
    untrained = frame["parent_key"].notna() & (frame["epochs"] == 0)
    own = frame[column].mask(untrained & frame[column].isna(), 0.0)
    finished = _done(frame)
    taken = dict(zip(finished["key"], own[finished.index], strict=True))
    parent = finished.set_index("key")["parent_key"].dropna().to_dict()

    def before(key: str) -> float:
        return total(parent[key]) if key in parent else 0.0

    def total(key: str) -> float:
        return float(taken.get(key, math.nan)) + before(key)

    return frame["key"].map(total), frame["key"].map(before)


def _done(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["status"] == "done"]
