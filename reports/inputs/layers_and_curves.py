"""`results/<sweep>-layers.csv` and `<sweep>-curves.csv`, which stand beside a sweep's rows: typed, one run once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput


def read(
    paths: Iterable[Path], ending: str, columns: Sequence[str], text: Sequence[str], later: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows of the files beside those of `paths`, as far as they are there; a run in two of them counts once.

    Columns that are not `text` become numbers, NaN where empty. Those of `later` may be missing, and are NaN then.
    Raises BadInput for a file without the others.
    """
    frames = [_read_one(found, columns, text, later) for path in paths if (found := beside(path, ending)).exists()]
    known: set[str] = set()
    for index, frame in enumerate(frames):
        frames[index] = frame[~frame["key"].isin(known)]
        known |= set(frame["key"])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns, *later])


def beside(path: Path, ending: str) -> Path:
    """`results/cifar10.csv`, "layers" -> `results/cifar10-layers.csv`."""
    return path.with_name(f"{path.stem}-{ending}.csv")


def _read_one(path: Path, columns: Sequence[str], text: Sequence[str], later: Sequence[str]) -> pd.DataFrame:
    rows = read_csv(path)
    if rows and (missing := [name for name in columns if name not in rows[0]]):
        raise BadInput(f"{path} lacks the columns {', '.join(missing)}")
    frame = pd.DataFrame(rows, columns=[*columns, *later], dtype="str").replace("", None)
    for name in (*columns, *later):
        try:
            frame[name] = frame[name] if name in text else pd.to_numeric(frame[name]).astype("float64")
        except ValueError as error:
            raise BadInput(f"{path}: column {name}: {error}") from error
        if name not in text and (endless := frame[np.isinf(frame[name])]).size:
            raise BadInput(f"{path}: column {name}: {endless[name].iloc[0]} is not finite")
    return frame
