"""`results/<sweep>-layers.csv` and `<sweep>-curves.csv`, which stand beside a sweep's rows: typed, one run once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks.runs import agreement
from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput

Kind = Literal["layers", "curves"]
CHECKED = {
    "layers": (agreement.checked_layers, agreement.layers_differ),
    "curves": (agreement.checked_curves, agreement.curve_differs),
}


def read(
    paths: Iterable[Path],
    ending: Kind,
    columns: Sequence[str],
    text: Sequence[str],
    later: Sequence[str] = (),
    rows: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The rows of the files beside those of `paths`, as far as they are there; a run in two of them counts once.

    Columns that are not `text` become numbers, NaN where empty. Those of `later` may be missing, and are NaN then.
    Raises BadInput for a file without the others, with a cell that makes no sense, or whose lines contradict a run's
    row; `rows`: the rows that are reported.
    """
    done = {} if rows is None else {row["key"]: row for row in rows[rows["status"] == "done"].to_dict("records")}
    found = (path for path in (beside(path, ending) for path in paths) if path.exists())
    frames = [_read_one(path, ending, columns, text, later, done) for path in found]
    known: set[str] = set()
    for index, frame in enumerate(frames):
        frames[index] = frame[~frame["key"].isin(known)]
        known |= set(frame["key"])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns, *later])


def beside(path: Path, ending: str) -> Path:
    """`results/cifar10.csv`, "layers" -> `results/cifar10-layers.csv`."""
    return path.with_name(f"{path.stem}-{ending}.csv")


def _read_one(
    path: Path,
    ending: Kind,
    columns: Sequence[str],
    text: Sequence[str],
    later: Sequence[str],
    done: Mapping[Any, Mapping[Any, Any]],
) -> pd.DataFrame:
    check, differs = CHECKED[ending]
    lines = check(read_csv(path), str(path))
    by_key: dict[str, list[Mapping[str, str]]] = {}
    for line in lines:
        by_key.setdefault(line["key"], []).append(line)
    for key, of_run in by_key.items():
        if key in done and (contradiction := differs(of_run, {str(n): v for n, v in done[key].items()})):
            raise BadInput(f"{path}, {key}: {contradiction}; restore the files from git")
    frame = pd.DataFrame(lines, columns=[*columns, *later], dtype="str").replace("", None)
    return frame.astype({name: "float64" for name in (*columns, *later) if name not in text})
