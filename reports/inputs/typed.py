"""Checked rows of a CSV file as a frame: numbers as numbers, text as text, both missing where empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from benchmarks.files.columns import Number, Rules


def frame_of(rows: Sequence[Mapping[str, str]], rules: Rules) -> pd.DataFrame:
    """The columns of `rules`: whole numbers that no cell lacks as int64, other numbers as float64, text as str."""
    frame = pd.DataFrame(list(rows), columns=list(rules), dtype="str").replace("", None)
    numeric = {name: rule for name, rule in rules.items() if isinstance(rule, Number)}
    frame = frame.astype(dict.fromkeys(numeric, "float64"))
    return frame.astype({name: "int64" for name, rule in numeric.items() if rule.whole and rule.needed})
