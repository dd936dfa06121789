"""What has been run of a sweep: methods down, T across, in each cell how many of the planned seeds are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from benchmarks.campaigns import NAMED
from benchmarks.spec import Run
from benchmarks.sweeps import SWEEPS
from reports.figures.appearance import draw_at_scale
from reports.figures.drawing import Figure
from reports.figures.series import slug

RUN = ["dataset", "network", "method", "timesteps", "seed", "scale"]
FULL, SOME, NONE, FAILED, UNPLANNED = "#56B4E9", "#cfe6f5", "#ffffff", "#F2C14E", "#e3e5e8"
Matrix = dict[tuple[str, int], "Cell"]


@dataclass(frozen=True)
class Cell:
    """Seeds of one method at one T: planned, done, and failed or out of memory."""

    planned: int
    done: int
    failed: int

    @property
    def text(self) -> str:
        """`2/3`, and below it how many failed."""
        return f"{self.done}/{self.planned}" + (f"\nF{self.failed}" if self.failed else "")

    @property
    def colour(self) -> str:
        """Of the cell; the text says it too."""
        if self.failed:
            return FAILED
        return FULL if self.done == self.planned else SOME if self.done else NONE


def matrices(frame: pd.DataFrame) -> Iterator[Figure]:
    """A matrix per sweep that rows come from, network and scale."""
    status = {Run(*row[:-1]): row[-1] for row in frame[[*RUN, "status"]].itertuples(index=False, name=None)}
    for scale in dict.fromkeys(run.scale for run in status):
        here = {run: state for run, state in status.items() if run.scale == scale}
        for name, planned in _sources(here, scale):
            for of in dict.fromkeys((run.dataset, run.network) for run in planned):
                cells = matrix([run for run in planned if (run.dataset, run.network) == of], here)
                if any(cell.done or cell.failed for cell in cells.values()):
                    yield _figure(name, *of, scale, cells)


def _sources(status: dict[Run, str], scale: str) -> Iterator[tuple[str, list[Run]]]:
    """The fewest sweeps, largest share first, whose plans hold all rows that any plan holds."""
    plans = {name: sweep.runs(scale) for name, sweep in NAMED.items() if scale in sweep.networks}  # type: ignore[arg-type]
    left = set(status)
    while plans:
        name, planned = max(plans.items(), key=lambda item: len(left.intersection(item[1])))
        if not left.intersection(planned):
            return
        yield name, plans.pop(name)
        left -= set(planned)


def matrix(planned: list[Run], status: dict[Run, str]) -> Matrix:
    """The cells of a plan, methods in its order and T ascending."""
    seeds = Counter((run.method, run.timesteps) for run in planned)
    done = Counter((run.method, run.timesteps) for run in planned if status.get(run) == "done")
    ended = Counter((run.method, run.timesteps) for run in planned if run in status)
    return {at: Cell(seeds[at], done[at], ended[at] - done[at]) for at in sorted(seeds, key=_order(planned))}


def _order(planned: list[Run]) -> Callable[[tuple[str, int]], tuple[int, int]]:
    rows = {method: place for place, method in enumerate(dict.fromkeys(run.method for run in planned))}
    return lambda at: (rows[at[0]], at[1])


def _figure(name: str, dataset: str, network: str, scale: str, cells: Matrix) -> Figure:
    done, planned = (sum(getattr(cell, what) for cell in cells.values()) for what in ("done", "planned"))
    caption = (
        f"What has been run of sweep {name}: {network} on {dataset}, scale {scale}, {done} of {planned} runs. In a "
        "cell seeds done / planned; F: failed or out of memory; grey: not planned; an ANN has no T and stands at 1. "
        "Counted are the rows this report was made of."
    )
    where = (network,) if name in SWEEPS else (dataset, network)
    return draw_at_scale(slug("coverage", name, *where, scale), caption, scale, _paint(cells))


def _paint(cells: Matrix) -> Callable[[Axes], None]:
    methods = list(dict.fromkeys(method for method, _ in cells))
    steps = sorted({step for _, step in cells})

    def paint(axes: Axes) -> None:
        size = 7 if len(steps) < 12 else 6
        for (method, step), cell in cells.items():
            x, y = steps.index(step), methods.index(method)
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=cell.colour, ec="#8a8f96", lw=0.5, clip_on=False))
            lines = {"fontsize": size - 1.5 if cell.failed else size, "linespacing": 0.95}
            axes.text(x, y, cell.text, ha="center", va="center", **lines)  # type: ignore[arg-type]
        axes.set(xlim=(-0.5, len(steps) - 0.5), ylim=(len(methods) - 0.5, -0.5), xlabel="time steps T")
        axes.set_xticks(range(len(steps)), [str(step) for step in steps], fontsize=size if len(steps) < 12 else 5.5)
        axes.set_yticks(range(len(methods)), [_broken(method) for method in methods], fontsize=6.5)
        axes.tick_params(length=0)
        axes.set_facecolor(UNPLANNED)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return paint


def _broken(method: str) -> str:
    """A long variant on two lines."""
    if len(method) <= 40:
        return method
    cut = method.rfind("@", 0, len(method) // 2 + 12)
    return f"{method[:cut]}\n{method[cut:]}"
