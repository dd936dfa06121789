"""What a reader of a paper asks about reproducibility, answered from the rows alone: counts, and no assertions.

One table per data set and scale. What rows cannot say, the answer says so. Recipes are resolved again, and held against
the rows' keys, which are hashes of them; that, like all planning, is standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from benchmarks.runs.identity import unchanged
from benchmarks.spec import BadInput, Recipe, Run
from reports.cost.costs import BUSY_CORES
from reports.inputs.rows import RUN
from reports.rendering import markdown
from reports.rendering.table import DASH, Cell, Column, Table, warning_of
from reports.statistics.intervals import interval

CELL = ["network", "method", "timesteps"]
COLUMNS = (Column("question", numeric=False), Column("answer", numeric=False))
INTERVALS = {
    "student-t": "Student t over seeds",
    "two values": "none: two seeds, both shown",
    "wilson": "Wilson over test images (one seed)",
    "none": "none",
}


def render(frame: pd.DataFrame) -> str:
    """The checklist of all rows, as Markdown. `frame` is what `reports.inputs.rows.read` returns."""
    groups = frame.groupby(["dataset", "scale"], sort=False)
    return markdown.render([_table(str(dataset), str(scale), rows) for (dataset, scale), rows in groups], {})


def _table(dataset: str, scale: str, rows: pd.DataFrame) -> Table:
    return Table(
        heading=dataset,
        badge=f"scale {scale}",
        title=f"Reproducibility checklist: {dataset}, scale {scale}",
        columns=COLUMNS,
        rows=tuple((Cell(question), Cell(answer(rows) or DASH)) for question, answer in QUESTIONS),
        notes=("Answers are counts over the rows of the CSV files this report is made of; a row is a run.",),
        warning=warning_of(scale),
    )


def _runs(rows: pd.DataFrame) -> str:
    return f"{len(rows)} runs in {rows.groupby(CELL).ngroups} cells (network, method, T); {_counts(rows['method'])}"


def _failures(rows: pd.DataFrame) -> str:
    failed = rows[rows["status"] != "done"]
    why = "; ".join(f"{run}: {reason}" for run, reason in zip(_names(failed), failed["reason"], strict=True))
    return f"{_counts(rows['status'])}{'. ' + why if why else ''}"


def _models(rows: pd.DataFrame) -> str:
    done = _done(rows)
    sizes = done.groupby("network", sort=False)["parameters"].agg(["min", "max"]).dropna()
    spans = (f"{name}: {_span(low, high)} parameters" for name, low, high in sizes.itertuples())
    counted = f"operations counted in {_share(done['dense_macs_per_step'].notna())}"
    return "; ".join([*spans, counted, "code in benchmarks/networks"])


def _recipes(rows: pd.DataFrame) -> str:
    found = [recipe for recipe in _resolved(rows) if recipe]
    sources = _counts(pd.Series([recipe.sources.partition("; varied by")[0] for recipe in found], dtype=str))
    return f"{len(found)} of {len(rows)} keys follow from benchmarks/recipes.py as it is here. Their sources: {sources}"


def _seeds(rows: pd.DataFrame) -> str:
    numbers = _done(rows).groupby(CELL)["seed"].nunique().value_counts().sort_index()
    cells = "; ".join(f"n = {seeds} in {cells} cells" for seeds, cells in numbers.items())
    return f"{cells}. Seeds: {', '.join(map(str, sorted(set(rows['seed']))))}"


def _intervals(rows: pd.DataFrame) -> str:
    cells = _done(rows).groupby(CELL)
    kinds = [INTERVALS[interval(cell["top1"].tolist(), cell["test_images"].tolist()).kind] for _, cell in cells]
    return f"95 %, by cell: {_counts(pd.Series(kinds, dtype=str))}"


def _splits(rows: pd.DataFrame) -> str:
    done = _done(rows)
    trained = done[done["epochs"] > 0]
    held_out = _share(trained[["top1_validation_selected", "validation_top1"]].notna().any(axis=1))
    return (
        f"training images: {_sizes(trained['train_images'])}; test images: {_sizes(done['test_images'])}; "
        f"a validation split in {held_out} trained runs"
    )


def _selection(rows: pd.DataFrame) -> str:
    done = _done(rows)
    both = done.dropna(subset=["top1", "top1_best"])
    gap = (both["top1_best"] - both["top1"]).max()
    beside = f"{_share(done['top1_best'].notna())}{f' (at most {gap:.2f} points above it)' if len(both) else ''}"
    measured = sum(bool(recipe and recipe.conversion.get("test_images")) for recipe in _resolved(rows))
    return (
        f"the headline is the last epoch's; the epoch best on test stands beside it in {beside}; "
        f"the test split was read once, after the last epoch, in {_share(_tested_once(done))} trained runs; "
        f"parameters measured on test images in {measured} runs. "
        "Rows do not say on what hyper-parameters were chosen: the sources in benchmarks/recipes.py do"
    )


def _tested_once(done: pd.DataFrame) -> pd.Series:
    """Of the runs that trained, which know no other epoch's accuracy on the test split, but that on held-out images."""
    trained = done[done["epochs"] > 0]
    return trained["top1_best"].isna() & trained["validation_top1"].notna()


def _compute(rows: pd.DataFrame) -> str:
    seconds = rows["train_seconds"].dropna()
    busy = rows["other_load_cores"].dropna() > BUSY_CORES
    memory, joules = (rows[name].notna().sum() for name in ("peak_step_bytes", "train_joules"))
    return (
        f"{seconds.sum() / 3600:.1f} h of training, recorded in {len(seconds)} runs; "
        f"beside other work, so without a time by the clock: {_share(busy)}; "
        f"memory in {memory}, joules in {joules} runs; "
        f"{_counts(rows['machine'].str.cat(rows['device'], sep=', '))}"
    )


def _code(rows: pd.DataFrame) -> str:
    tree = rows["dirty"].map({"False": "as committed", "True": "changed"})
    return f"commits: {_counts(rows['commit'].str[:12])}; working tree: {_counts(tree)}"


def _environment(rows: pd.DataFrame) -> str:
    software = "Python " + rows["python"] + ", torch " + rows["torch"]
    return f"{_counts(software)}; threads: {_sizes(rows['threads'])}; versions of all else in constraints.txt"


def _data(rows: pd.DataFrame) -> str:
    seen = rows.dropna(subset=["data_sha256"]).groupby("data_sha256", sort=False)["data_source"]
    digests = (f"SHA-256 {str(digest)[:16]}... ({len(sources)}): {', '.join(sources.dropna().unique()) or 'no source'}"
               for digest, sources in seen)  # fmt: skip
    return "; ".join([*digests, f"no checksum: {rows['data_sha256'].isna().sum()} runs"])


def _parents(rows: pd.DataFrame) -> str:
    converted = rows[rows["parent_key"].notna()]
    return f"{len(converted)} runs start from another's weights; its row is here for {_share(_known(converted, rows))}"


QUESTIONS: tuple[tuple[str, Callable[[pd.DataFrame], str]], ...] = (
    ("What was run?", _runs),
    ("Are failures reported?", _failures),
    ("Are the models described?", _models),
    ("Are all hyper-parameters stated, and where are they from?", _recipes),
    ("How many seeds?", _seeds),
    ("Which intervals?", _intervals),
    ("Which splits?", _splits),
    ("Was anything selected on test images?", _selection),
    ("Is what a run starts from reported too?", _parents),
    ("Which compute, on what machine?", _compute),
    ("Which code?", _code),
    ("Which environment?", _environment),
    ("Which data, and are they the same?", _data),
)


def _resolved(rows: pd.DataFrame) -> Iterator[Recipe | None]:
    """Every row's recipe; None where today's is another, or there is none."""
    for row in rows[[*RUN, "key"]].itertuples(index=False):
        run = Run(*row[:-1])
        try:
            yield unchanged(run, row[-1])
        except BadInput:
            yield None


def _done(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["status"] == "done"]


def _known(converted: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    return converted["parent_key"].isin(rows["key"])


def _names(rows: pd.DataFrame) -> Iterator[str]:
    return (str(Run(*row)) for row in rows[RUN].itertuples(index=False))


def _share(mask: pd.Series) -> str:
    return f"{int(mask.sum())} of {len(mask)}"


def _counts(values: pd.Series) -> str:
    """`"a (3), b (1)"`, in the order in which they come."""
    counted = values.astype(object).where(values.notna(), "not recorded").value_counts(sort=False)
    return ", ".join(f"{value!s} ({count})" for value, count in counted.items())


def _sizes(values: pd.Series) -> str:
    """The same of whole numbers."""
    return _counts(values.map(lambda size: f"{int(size):,}", na_action="ignore"))


def _span(low: float, high: float) -> str:
    return " to ".join(dict.fromkeys([f"{int(low):,}", f"{int(high):,}"]))
