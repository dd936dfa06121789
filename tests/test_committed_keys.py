"""The committed rows against today's recipes: a key says which experiment a row is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.methods import BUILT_IN
from benchmarks.runs.identity import key, parent
from benchmarks.runs.record import read_csv
from benchmarks.spec import Run, variant

RESULTS = Path(__file__).parents[1] / "results"
RUN = ("dataset", "network", "method", "timesteps", "seed", "scale")


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a file that are of runs of methods known here; none where it is of something else."""
    rows = read_csv(path)
    if not rows or {*RUN, "key"} - rows[0].keys():
        return []
    return [row for row in rows if variant(row["method"])[0] in BUILT_IN]


OF_RUNS = [path for path in [*RESULTS.glob("*.csv"), RESULTS / "regression" / "convergence.csv"] if rows_of(path)]


@pytest.mark.parametrize("path", OF_RUNS, ids=lambda path: path.stem)
def test_the_keys_of_all_committed_rows_are_those_of_todays_recipes(path: Path) -> None:
    for row in rows_of(path):
        run = Run(*(row[name] for name in RUN[:3]), int(row["timesteps"]), int(row["seed"]), row["scale"])  # type: ignore[arg-type]
        assert key(run) == row["key"], run
        if "parent_key" in row:
            origin = parent(run)
            assert (key(origin) if origin else "") == row["parent_key"], run


def test_every_row_of_a_layer_or_an_epoch_is_of_a_committed_run() -> None:
    for sweep in (path for path in OF_RUNS if path.parent == RESULTS and "-" not in path.stem):
        known = {row["key"] for row in read_csv(sweep)}
        for kind in ("layers", "curves"):
            beside = sweep.with_name(f"{sweep.stem}-{kind}.csv")
            if beside.exists():
                assert {row["key"] for row in read_csv(beside)} <= known, beside.name


def test_the_conversion_of_an_ann_without_a_clip_is_not_called_deng_and_gus() -> None:
    rows = [row for path in OF_RUNS for row in rows_of(path)]
    assert {row["method"] for row in rows if row.get("parent_key")} >= {"maximum-shift"}
    anns = {row["key"]: row["method"] for row in rows}
    for row in rows:
        if row["method"] in ("maximum-shift", "deng-gu"):
            expected = "ann" if row["method"] == "maximum-shift" else "deng-gu-ann"
            assert anns.get(row["parent_key"], expected) == expected
