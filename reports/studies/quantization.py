"""Tables of `dsr-bench quantization`: error against alpha and T of single neurons, and its two parts layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from benchmarks.files import columns, csv_files
from benchmarks.files.columns import Number, Rules, Words
from benchmarks.spec import MAX_SEED, SCALES, BadInput
from reports.figures.drawing import COLOURS, Figure, draw
from reports.inputs.typed import frame_of
from reports.rendering.table import Cell, Column, Table, laid_out, numbers, warning_of
from reports.studies import quantization_figures

ANY, COUNT = Number(low=-math.inf), Number(1, whole=True, needed=True)
OF_NEURONS: Rules = {
    "study": Words(quantization_figures.STUDIES, needed=True),
    "neuron": Words(quantization_figures.NEURONS, needed=True),
    **dict.fromkeys(("tau", "dt"), Number()),
    "alpha": Number(needed=True),
    "timesteps": COUNT,
    "drive": Words(needed=True),
    "currents": COUNT,
    "current": ANY,
    "rate": Number(),
    "mapping": Number(),
    "error": ANY,
    **dict.fromkeys(("mean_error", "max_error", "limit_error", "bound"), Number()),
    **dict.fromkeys(("representation_bias", "quantization_bias", "deviation_bias"), ANY),
}
OF_LAYERS: Rules = {
    **dict.fromkeys(("key", "commit", "dataset", "network", "method"), Words(needed=True)),
    "timesteps": COUNT,
    "seed": Number(0, MAX_SEED, whole=True, needed=True),
    "scale": Words(SCALES, needed=True),
    "layer": Words(needed=True),
    "neurons": COUNT,
    "images": COUNT,
    "ceiling": Number(needed=True),
    "outside": Number(0, 1, needed=True),
    "mapping": ANY,
    **dict.fromkeys(("representation_error", "quantization_error", "deviation_error"), Number(needed=True)),
    **dict.fromkeys(("representation_bias", "quantization_bias", "deviation_bias"), ANY),
}
MEASURED = (("alpha", "mean_error"), ("alpha", "max_error"), ("convergence", "mean_error"))
IDENTITY = {
    "study": ("study", "neuron", "tau", "dt", "alpha", "timesteps", "drive", "current"),
    "layer": ("key", "layer"),
}
SPELLED = {"representation": "representation", "quantization": "quantisation", "deviation": "deviation"}


def read(paths: Iterable[Path]) -> list[pd.DataFrame]:
    """The rows of each file. Raises BadInput for a file that is neither kind."""
    return [_read_one(path) for path in paths]


def _read_one(path: Path) -> pd.DataFrame:
    rows = csv_files.rows(path)
    kind = next((name for name in IDENTITY if rows and name in rows[0]), "")
    if not kind:
        raise BadInput(f"{path} is no CSV file of `dsr-bench quantization`")
    rules = OF_NEURONS if kind == "study" else OF_LAYERS
    columns.refuse(rows, rules, str(path))
    columns.refuse_repeated(rows, IDENTITY[kind], str(path))
    frame = frame_of(rows, rules)
    if kind == "study":
        _refuse_partial(frame, path)
    return frame


def _refuse_partial(frame: pd.DataFrame, path: Path) -> None:
    """Tables and figures need all curves of a study. Raises BadInput."""
    lacking = [name for name, found in quantization_figures.parts(frame).items() if found.empty]
    if lacking:
        raise BadInput(f"{path} has no row of {lacking[0]}; `dsr-bench quantization` writes the whole file")
    for study, column in MEASURED:
        if frame.loc[frame["study"] == study, column].isna().any():
            raise BadInput(f"{path}: a row of study {study!r} has no {column}")


def tables_of(frame: pd.DataFrame) -> list[Table]:
    """One table of all neurons, or one per run."""
    if "study" in frame:
        return [_neurons(frame[frame["study"] == "alpha"])]
    return [_layers(rows) for _, rows in frame.groupby("key", sort=False)]


def figures_of(frame: pd.DataFrame) -> list[Figure]:
    """The figures that go with the tables."""
    if "study" in frame:
        return quantization_figures.figures_of_neurons(frame)
    return [_figure_of_run(rows) for _, rows in frame.groupby("key", sort=False)]


def _neurons(frame: pd.DataFrame) -> Table:
    """Per neuron and T: the alpha of least mean error, and what alpha = 0.5 does to the errors of alpha = 1."""
    cells = [_at(rows) for _, rows in frame.groupby(["neuron", "dt", "timesteps"], sort=False, dropna=False)]
    lines = pd.DataFrame(cells)
    percent = 100 * lines[["least", "mean_half", "mean_one", "max_half", "max_one"]]
    headings, rows = laid_out(
        [
            (Column("neuron", numeric=False), [Cell(name) for name in lines["neuron"]]),
            (Column("T"), [Cell(str(steps)) for steps in lines["timesteps"]]),
            (Column("best alpha"), numbers(lines["best"].tolist(), decimals=3)),
            (Column("mean error", "%, best alpha"), numbers(percent["least"].tolist(), decimals=2)),
            (Column("mean error", "%, alpha 0.5"), numbers(percent["mean_half"].tolist(), decimals=2)),
            (Column("mean error", "%, alpha 1"), numbers(percent["mean_one"].tolist(), decimals=2)),
            (Column("largest error", "%, alpha 0.5"), numbers(percent["max_half"].tolist(), decimals=2)),
            (Column("largest error", "%, alpha 1"), numbers(percent["max_one"].tolist(), decimals=2)),
            (
                Column("largest error", "0.5 over 1"),
                numbers((lines["max_half"] / lines["max_one"]).tolist(), decimals=3),
            ),
        ]
    )
    heading = "Quantisation error of single neurons"
    return Table(heading, "constant currents", f"{heading}, constant currents", headings, rows, tuple(_notes(frame)))


def _at(rows: pd.DataFrame) -> dict[str, object]:
    first, best = rows.iloc[0], rows.iloc[rows["mean_error"].argmin()]
    half, one = (rows.iloc[(rows["alpha"] - alpha).abs().argmin()] for alpha in (0.5, 1.0))
    errors = {"mean_half": half["mean_error"], "mean_one": one["mean_error"]}
    errors |= {"max_half": half["max_error"], "max_one": one["max_error"]}
    name = quantization_figures.named(first["neuron"], first["dt"])
    return {
        "neuron": name,
        "timesteps": first["timesteps"],
        "best": best["alpha"],
        "least": best["mean_error"],
    } | errors


def _notes(frame: pd.DataFrame) -> Iterable[str]:
    grid = sorted(frame["alpha"].unique())
    yield (
        "Error: firing rate (LIF: weighted) minus the clamp of the current, absolute, in percent of the clamp's height "
        f"V (IF) or V / dt (LIF), over {frame['currents'].max():,} currents evenly spread in the clamp's open range. "
        f"Best alpha: least mean error of {len(grid)} values from {grid[0]:g} to {grid[-1]:g}."
    )
    yield (
        "Paper, Sec. 4: alpha = 0.5 halves the IF neuron's largest error and has its least mean error; the LIF's best "
        "alpha changes with T."
    )


def _layers(frame: pd.DataFrame) -> Table:
    first = frame.iloc[0]
    headings, rows = laid_out(
        [
            (Column("layer", numeric=False), [Cell(name.replace(".", " ")) for name in frame["layer"]]),
            (Column("neurons"), numbers(frame["neurons"].tolist(), decimals=0)),
            (Column("ceiling"), numbers(frame["ceiling"].tolist(), decimals=3)),
            (Column("currents outside", "%"), numbers((100 * frame["outside"]).tolist(), decimals=1)),
            *(
                (Column(f"{SPELLED[part]} {what}", "%"), numbers(_share(frame, f"{part}_{what}"), decimals=2))
                for what in ("error", "bias")
                for part in SPELLED
            ),
        ]
    )
    heading = f"Representation error by layer: {first['method']}, T = {first['timesteps']}, {first['network']}"
    return Table(
        heading=heading,
        badge=f"scale {first['scale']}",
        title=f"Representation error by layer: {_described(frame)}",
        columns=headings,
        rows=rows,
        notes=(
            f"Over {first['images']:,} test images, in percent of the layer's ceiling. Error: mean absolute value; "
            "bias: mean with its sign. Quantisation: at the mean current held steady; deviation: what the currents' "
            "changes from step to step add. Outside: currents, step by step, below 0 or above where the clamp ends.",
        ),
        warning=warning_of(first["scale"]),
    )


def _share(frame: pd.DataFrame, column: str) -> list[float]:
    """In percent of the layer's ceiling."""
    return (100 * frame[column] / frame["ceiling"]).tolist()


def _figure_of_run(frame: pd.DataFrame) -> Figure:
    """The error's parts against depth, for one run."""
    first, depth = frame.iloc[0], range(1, len(frame) + 1)
    looks = tuple(zip(SPELLED, ("black", COLOURS["dsr-if"], COLOURS["dsr-lif"]), "so^", strict=True))

    def paint(axes: Axes) -> None:
        for part, colour, marker in looks:
            share = _share(frame, f"{part}_error")
            axes.plot(depth, share, color=colour, marker=marker, ms=4, lw=1.2, label=f"{SPELLED[part]} error")
        axes.set(xlabel="layer of neurons, counted from the image", ylabel="mean error (% of the ceiling)")
        axes.set(xticks=depth, ylim=(0, None))
        axes.legend()

    name = f"{first['method']}-T{first['timesteps']}-{first['key']}"
    caption = f"Representation error and its two parts, layer by layer: {_described(frame)}."
    return draw(f"quantization-layers-{name}", caption, paint)


def _described(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    run = f"{first['method']}, T = {first['timesteps']}, seed {first['seed']}"
    return f"{run}, {first['network']} on {first['dataset']}, scale {first['scale']}"
