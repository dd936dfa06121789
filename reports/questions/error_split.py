"""How far are trained DSR networks from the clamp that DSR differentiates? Both errors, a row a run.

The rows are those of `dsr-bench quantization --run`, one per layer; the study's own tables show each layer.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.questions.cells import PLACE, places
from reports.questions.width import channels_of
from reports.rendering.table import Cell, Column, Table, laid_out, numbers
from reports.tables.paper import EVIDENCE

PARTS = {"quantization_error": "quantisation error", "deviation_error": "deviation error"}
READOUT = "readout"
"""Its neurons are few, and see a pooled map and a norm behind the classifier; they are left out."""


def inner(layers: pd.DataFrame) -> pd.DataFrame:
    """The layers of one run between the first, whose current is the same at every step, and the readout."""
    behind = layers.iloc[1:]
    return behind[~behind["layer"].str.startswith(READOUT)]


def shares(layers: pd.DataFrame) -> pd.Series:
    """Both errors of one run: means over its inner layers, in percent of a layer's mean output; and how much is bias.

    A layer without output has no such share.
    """
    rows = inner(layers)
    rows = rows[rows["mapping"] > 0]
    found = {name: 100 * (rows[name] / rows["mapping"]).mean() for name in PARTS}
    bias = 100 * rows["deviation_bias"].sum() / rows["deviation_error"].sum()
    return pd.Series(found | {"bias": bias, "layers": len(rows), "images": layers["images"].iloc[0]})


def tables_of(frame: pd.DataFrame, layers: pd.DataFrame) -> list[Table]:
    """One per data set and scale. `frame`: rows of the runs; `layers`: of their layers, if any were measured."""
    if layers.empty:
        return []
    found = pd.DataFrame({key: shares(rows) for key, rows in layers.groupby("key")}).T
    rows = frame.merge(found, left_on="key", right_index=True)
    groups = sorted(places(rows, PLACE), key=lambda group: EVIDENCE.index(group[0][1]))
    return [_table(dataset, scale, group) for (dataset, scale), group in groups]


def _table(dataset: str, scale: str, rows: pd.DataFrame) -> Table:
    rows = rows.assign(width=[channels_of(str(name)) or 0 for name in rows["network"]])
    rows = rows.sort_values(["width", "network", "method", "timesteps", "seed"], kind="stable")
    headings, cells = laid_out(
        [
            (Column("network", numeric=False), [Cell(str(name)) for name in rows["network"]]),
            (Column("method", numeric=False), [Cell(str(name)) for name in rows["method"]]),
            (Column("T"), [Cell(str(steps)) for steps in rows["timesteps"]]),
            (Column("seed"), [Cell(str(seed)) for seed in rows["seed"]]),
            (Column("test accuracy", "%"), numbers(rows["top1"].tolist(), decimals=2)),
            *((Column(label, "%"), numbers(rows[name].tolist(), decimals=1)) for name, label in PARTS.items()),
            (Column("bias of the deviation", "%"), numbers(rows["bias"].tolist(), decimals=0)),
        ]
    )
    heading, badge = f"Error split of trained networks on {dataset}", f"scale {scale}"
    return Table(heading, badge, f"{heading}, {badge}", headings, cells, tuple(_notes(rows)))


def _notes(rows: pd.DataFrame) -> Iterator[str]:
    yield (
        f"Over {rows['images'].max():,.0f} test images; means over the layers of neurons between the first and the "
        "readout, in percent of a layer's mean output. Quantisation error: of the rate that the layer's mean current "
        "would cause if it were held steady. Deviation error: what the current's changes from step to step add. "
        "Bias: the deviation averaged with its sign, as a share of the deviation error; above 0, neurons emit more "
        "than their mean current asks for."
    )
