"""All that the page of results is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports import claims
from reports.cost.to_accuracy import COLUMNS, LATER
from reports.inputs.predictions import Kept

CURVES = (*COLUMNS, *LATER)


@dataclass(frozen=True)
class Facts:
    """What the page says.

    `frame`: all rows with their costs; `ledger`: judged claims; `kept`: predictions; `names`: of the CSV files;
    `studies`: of single neurons; `layers`: errors of the layers of trained networks; `curves`: of the runs, epoch by
    epoch.
    """

    frame: pd.DataFrame
    ledger: Sequence[claims.Judged]
    kept: Kept = field(default_factory=dict)
    names: Sequence[str] = ()
    studies: pd.DataFrame = field(default_factory=pd.DataFrame)
    layers: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CURVES)))
