"""A run's JSON records read again, by rules of their own.

`result` and `about` return a record's content in one form, or raise NoAnswer where it makes no sense.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from cases import NoAnswer
from independent import OF_RUNS

PROVENANCE = (
    *("commit", "dirty", "started", "machine", "device", "threads", "python", "torch", "data_sha256", "data_source"),
    "kernels",
)
WHOLE = (
    *("timesteps", "seed", "epochs", "train_images", "test_images", "parameters", "dense_macs_per_step"),
    *("padded_macs_per_step", "neuron_updates", "peak_step_bytes", "idle_bytes", "peak_reserved_bytes", "threads"),
    "activation_bits",
)
TEXTS = (
    *("key", "parent_key", "dataset", "network", "method", "scale", "status", "reason", "train_joules_source"),
    *("weights_sha256", "parent_sha256", "predictions_sha256", *PROVENANCE),
)
NEEDED = ("key", "dataset", "network", "method", "timesteps", "seed", "scale", "status", "provenance")
RUN = ("dataset", "network", "method", "timesteps", "seed", "scale")
OF_STOPS = ("timesteps", "top1", "loss", "predictions_sha256", "operations", "ledger")
MAYBE_ENDLESS = ("test_loss",)


def tree(raw: bytes) -> Any:
    """JSON in UTF-8, without a name that stands in an object twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise NoAnswer("a name stands there twice")
        return dict(pairs)

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise NoAnswer("it is no JSON") from None


def is_like(name: str, value: Any) -> bool:
    """Whether a field may hold a value of this type."""
    if value is None:
        return name not in (*NEEDED, *(n for n in PROVENANCE if n not in ("dirty",)))
    if name == "dirty":
        return isinstance(value, bool)
    if name in WHOLE:
        return isinstance(value, int) and not isinstance(value, bool)
    if name in TEXTS:
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def result_of(key: str, run: Mapping[str, Any]) -> Callable[[bytes], bytes]:
    """A reader of the result of the run with this key."""

    def read(raw: bytes) -> bytes:
        found = tree(raw)
        if not isinstance(found, dict) or not isinstance(found.get("provenance"), dict):
            raise NoAnswer("it is no result")
        flat = {name: value for name, value in found.items() if name != "provenance"} | found["provenance"]
        if set(found["provenance"]) - set(PROVENANCE) or set(flat) - set(OF_RUNS) or set(found) & set(PROVENANCE):
            raise NoAnswer("it has other fields")
        if missing := [name for name in (*NEEDED[:-1], *PROVENANCE[:-1]) if name not in flat]:
            raise NoAnswer(f"it lacks {missing}")
        for name, value in flat.items():
            _check(name, value)
        if flat["key"] != key or any(flat[name] != run[name] for name in RUN):
            raise NoAnswer("it is of another run")
        if flat["status"] == "done" and flat.get("top1") is None:
            raise NoAnswer("it is done and has no accuracy")
        whole = dict.fromkeys(OF_RUNS) | {"kernels": ""} | flat
        return json.dumps(
            {n: v for n, v in whole.items() if n not in PROVENANCE} | {"provenance": {n: whole[n] for n in PROVENANCE}}
        ).encode()

    return read


def _check(name: str, value: Any) -> None:
    if not is_like(name, value):
        raise NoAnswer(f"{name} is {value!r}"[:100])
    if name in MAYBE_ENDLESS and isinstance(value, float) and not math.isfinite(value):
        return
    if value is not None:
        OF_RUNS[name](str(value))


def about_of(pristine: bytes) -> Callable[[bytes], bytes]:
    """A reader of the run.json of a run: its key is made of the rest, so that only what enters no key may change."""
    original = json.loads(pristine)

    def read(raw: bytes) -> bytes:
        found = tree(raw)
        if not isinstance(found, dict) or not isinstance(found.get("recipe"), dict):
            raise NoAnswer("it is no run.json")
        if not isinstance(found.get("sweep"), str | None):
            raise NoAnswer("its sweep is no name")
        sources = found["recipe"].get("sources", "")
        if not isinstance(sources, str) or any(ord(c) < 32 for c in sources + (found.get("sweep") or "")):
            raise NoAnswer("its sources are no text")
        whole = {**found, "recipe": {**original["recipe"], **found["recipe"], "sources": original["recipe"]["sources"]}}
        if {**whole, "sweep": None} != {**original, "sweep": None} or json.dumps(whole["run"]) != json.dumps(
            {n: whole["run"][n] for n in whole["run"]}
        ):
            raise NoAnswer("it is another run's, or has other fields")
        return json.dumps({**found, "recipe": {**original["recipe"], "sources": sources}}).encode()

    return read


def stops(found: Any) -> bytes:
    """Stops whose accuracy, operations and digest are as the ledgers and predictions beside them say; any loss."""
    if not isinstance(found, list) or not found:
        raise NoAnswer("it is no list of stops")
    kept = []
    for stop in found:
        if not isinstance(stop, dict) or set(stop) - {*OF_STOPS}:
            raise NoAnswer("it has other fields")
        kept.append({**stop, "loss": float(stop["loss"]) if is_like("loss", stop.get("loss", "")) else _none("loss")})
    return json.dumps(kept).encode()


def _none(name: str) -> float:
    raise NoAnswer(f"{name} is no number")
