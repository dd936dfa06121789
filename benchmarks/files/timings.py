"""Records of `dsr-bench perf`, as the commands and the reports read them: JSON whose names and types are known.

`benchmarks.perf.record` writes them. Older records lack some names, and newer ones may have others, which are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.files import json_files
from benchmarks.spec import BadInput, one_line, shown

Types = Mapping[str, Any]
LARGEST = 1e18
"""More milliseconds, bytes or images than anything here can have; fits square numbers."""
ORIGIN: Types = {"commit": str, "dirty": bool | None, "started": str, "threads": int, "torch": str}
RECORD: Types = {
    **ORIGIN,
    **dict.fromkeys(("machine", "device", "network", "python", "precision"), str),
    "batch": int,
    "rates": Mapping[str, Any],
    "rows": Sequence[Mapping[str, Any]],
    "other_load_cores": float | None,
    "harness": Mapping[str, Any] | None,
}
RATES: Types = {
    **dict.fromkeys(("float32_ms", "bfloat16_ms", "copied_bytes_per_second"), float),
    **dict.fromkeys(("lookup_ms", "weights_ms"), float | None),
    "neurons": int,
}
ROW: Types = {
    "subject": str,
    "T": int,
    **dict.fromkeys(("train_ms", "train_ms_median", "inference_ms", "inference_ms_median"), float | None),
    **dict.fromkeys(("peak_step_bytes", "firing_rate", "floor_ms"), float | None),
    "ratios": Mapping[str, Any] | None,
}
RATIOS: Types = {**ORIGIN, "train": Sequence[float], "inference": Sequence[float]}
LATER = (
    *("python", "precision", "other_load_cores", "harness", "weights_ms", "ratios", "inference_ms_median"),
    *("train", "inference"),
)
"""Names that a record may lack: older ones do, and a subject that ran out of memory has no ratios."""


def read(path: Path) -> dict[str, Any]:
    """Read a record. Raises BadInput for a file that is none; FileNotFoundError if there is none."""
    try:
        record: dict[str, Any] = json_files.read(path)
        _demand(record, RECORD)
        _demand(record["rates"], RATES)
        for row in record["rows"]:
            _demand(row, ROW)
            if row.get("ratios"):
                _demand(row["ratios"], RATIOS)
        settings = [(row["subject"], row["T"]) for row in record["rows"]]
        if not settings or len(set(settings)) < len(settings):
            raise ValueError("it has a row twice" if settings else "it has no rows")
        if any(steps < 1 for _, steps in settings):
            raise ValueError("T is less than 1")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no record of `dsr-bench perf` ({one_line(error)})") from None
    return record


def _demand(stated: Any, types: Types) -> None:
    """Raise ValueError for other types, control characters, and for numbers that are negative or not finite."""
    json_files.demand(stated, types, LATER)
    for name in types:
        for value in _values(stated.get(name)):
            if isinstance(value, str) and not value.isprintable():
                raise ValueError(f"{name} is {shown(value)}")
            if isinstance(value, int | float) and not 0 <= value <= LARGEST:
                raise ValueError(f"{name} is {shown(value)}, which is negative or above {LARGEST:g}")


def _values(value: Any) -> Iterator[Any]:
    """A value, or those in a list."""
    if isinstance(value, list):
        yield from value
    else:
        yield value
