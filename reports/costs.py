"""What each run really cost: conversion is cheap only because somebody trained its parent.

true seconds = own seconds + the parent's true seconds;  peak memory = peak of a full step - what lay there before it
"""

from __future__ import annotations

import math

import pandas as pd

from reports import energy

BUSY_CORES = 0.25
"""Other processes' load, in cores, above which a timing is marked."""


def with_costs(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with their derived costs; `*_from_parent` and `busy` say how a number came about."""
    parent = _parents(frame)
    memory = frame["peak_step_bytes"] - frame["idle_bytes"]
    parent_memory = parent["peak_step_bytes"] - parent["idle_bytes"]
    step, parent_step = frame["train_step_ms"], parent["train_step_ms"]
    seconds = _true_seconds(frame)
    return frame.assign(
        energy_microjoules=energy.headline(frame),
        energy_second_count_microjoules=energy.second_count(frame),
        peak_memory_bytes=memory.fillna(parent_memory),
        memory_from_parent=memory.isna() & parent_memory.notna(),
        train_step_ms=step.fillna(parent_step),
        step_from_parent=step.isna() & parent_step.notna(),
        true_train_seconds=seconds,
        seconds_with_parent=frame["parent_key"].notna() & seconds.notna(),
        busy=frame["other_load_cores"].gt(BUSY_CORES) | parent["other_load_cores"].gt(BUSY_CORES),
    )


def _parents(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row's parent, on the row's own index; all missing where there is none."""
    by_key = _done(frame).set_index("key")
    return by_key.reindex(frame["parent_key"]).set_axis(frame.index)


def _true_seconds(frame: pd.DataFrame) -> pd.Series:
    """Training seconds with all ancestors'; NaN as soon as one of them is unknown."""
    # A conversion that trains nothing may leave the cell empty: that is 0 s of its own, not unknown.
    untrained = frame["parent_key"].notna() & (frame["epochs"] == 0)
    own = frame["train_seconds"].mask(untrained & frame["train_seconds"].isna(), 0.0)
    finished = _done(frame)
    seconds = dict(zip(finished["key"], own[finished.index], strict=True))
    parent = finished.set_index("key")["parent_key"].dropna().to_dict()

    def total(key: str) -> float:
        before = total(parent[key]) if key in parent else 0.0
        return float(seconds.get(key, math.nan)) + before

    return frame["key"].map(total)


def _done(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["status"] == "done"]
