"""The rows of one or more result CSVs, typed and checked. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.runs import contents
from benchmarks.runs.record import COLUMNS, NUMERIC, checked, read_csv
from benchmarks.spec import SCALES, BadInput, Run, require

RUN = ["dataset", "network", "method", "timesteps", "seed", "scale"]
REQUIRED = ["key", "status", *RUN]


def read(paths: Iterable[Path]) -> pd.DataFrame:
    """The rows of all files in their order, one per key: a finished row before a failed one, then the later one.

    Of a finished run in several files, a row that names its weights comes first. Numbers are float64 and text is str,
    both NaN where empty. Rows that descend from other weights than their parent's row are left out; `attrs["stale"]`
    names them. Raises BadInput for a file that is missing, empty, lacks columns or holds something else than a number,
    for one run with two keys, and for one key with two contents.
    """
    frames = {Path(path): _read_one(Path(path)) for path in paths}
    if not frames:
        raise BadInput("no CSV file to report on")
    contents.by_key((path, row) for path, one in frames.items() for row in _records(one))
    frame = pd.concat(frames.values(), ignore_index=True)
    ranked = frame.assign(done=frame["status"] == "done", digest=frame["weights_sha256"].notna())
    best_last = ranked.sort_values(["done", "digest"], kind="stable")
    kept = best_last.drop_duplicates("key", keep="last").index.sort_values()
    frame, stale = parted(frame.loc[kept].reset_index(drop=True))
    _refuse_two_recipes(frame)
    frame.attrs["stale"] = [f"{Run(*row)} ({key})" for key, *row in stale[["key", *RUN]].itertuples(index=False)]
    return frame


def parted(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to report on, and stale ones: they descend from other weights than the row of their parent has."""
    outdated = contents.stale({row["key"]: row for row in _records(frame) if row["status"] == "done"})
    stale = frame["key"].isin(outdated)
    return frame[~stale].reset_index(drop=True), frame[stale].reset_index(drop=True)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


def _read_one(path: Path) -> pd.DataFrame:
    rows = checked(read_csv(path), path)
    if not rows:
        raise BadInput(f"{path} has no rows")
    bare = [row | {name: row.get(name, "").strip() for name in NUMERIC} for row in rows]  # a spreadsheet pads
    return _typed(pd.DataFrame(bare, columns=COLUMNS, dtype="str").replace("", None), path)


def _typed(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    for name in REQUIRED:
        if frame[name].isna().any():
            raise BadInput(f"{path}: column {name} has an empty cell")
    for name in NUMERIC:
        try:
            frame[name] = pd.to_numeric(frame[name]).astype("float64")
        except ValueError as error:
            raise BadInput(f"{path}: column {name}: {error}") from error
    for name in ("timesteps", "seed"):
        if (frame[name] % 1 != 0).any():
            raise BadInput(f"{path}: column {name} holds something else than whole numbers")
    for scale in frame["scale"].unique():
        require(scale, SCALES, f"scale in {path}")
    return frame.astype({"timesteps": int, "seed": int})


def _refuse_two_recipes(frame: pd.DataFrame) -> None:
    """A mean over two recipes of the same run would be a mean over nothing that exists."""
    done = frame[frame["status"] == "done"]
    twice = done[done.duplicated(RUN, keep=False)]
    if len(twice):
        run = Run(*twice.iloc[0][RUN])
        raise BadInput(f"{run} stands there under several keys: its recipe changed in between; report the files apart")
