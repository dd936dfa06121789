"""Published numbers, each with where it was read: `results/published.csv`. What nobody has verified is not in it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.catalogue.networks import full
from benchmarks.files import columns
from benchmarks.files.columns import Number, Rules, Words
from benchmarks.runs.record import read_csv
from benchmarks.spec import BadInput

PATH = Path(__file__).parents[2] / "results" / "published.csv"
COLUMNS = (
    *("table", "dataset", "label", "network", "neuron", "timesteps", "accuracy", "spread", "runs"),
    *("method", "our_network", "source", "read_in", "remark"),
)
NUMBERS = ("accuracy", "spread", "runs")
RULES: Rules = dict.fromkeys(COLUMNS, Words()) | {
    **dict.fromkeys(("table", "dataset", "label", "network"), Words(needed=True)),
    "accuracy": Number(high=100.0, needed=True),
    "spread": Number(high=100.0),
    "runs": Number(1, whole=True),
}


def read(path: Path = PATH) -> pd.DataFrame:
    """One row per published accuracy (percent); `method` and `our_network` name what of ours stands for it, if any.

    `remark`: what the released code or its logs say of the number; the number stays as it was printed.

    `timesteps` stays text (one paper gives a range); `steps` is the number, NaN where it is none. No rows where the
    file does not exist, as in an installed package. Raises BadInput for a file without the columns or with other
    values.
    """
    if not path.exists():
        return pd.DataFrame(columns=[*COLUMNS, "steps"])
    rows = read_csv(path)
    if missing := [name for name in COLUMNS if not rows or name not in rows[0]]:
        raise BadInput(f"{path} lacks the columns {', '.join(missing)}")
    columns.refuse(rows, RULES, str(path))
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name].str.strip().replace("", None))  # a spreadsheet pads
    return frame.assign(steps=pd.to_numeric(frame["timesteps"], errors="coerce"))


def stands_for(network: str, published: str) -> bool:
    """Whether a network of ours is a published one, or its narrow form for two cores."""
    return published in (network, full(network))
