"""How accurate a training was after each epoch, and on which images that was measured.

A recipe evaluates the test split after every epoch, or once, after the last. Then the held-out training images, which
are evaluated after every epoch, say how the training went.
"""

from __future__ import annotations

import math

import pandas as pd


def followed(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with two columns more: `top1` (percent), and `held_out`, whether it is of the held-out images.

    A run's curve is one or the other throughout: of the test split if as many of its epochs were tested on that.
    """
    curves = curves if "validation_top1" in curves else curves.assign(validation_top1=math.nan)
    counts = curves.groupby("key")[["test_top1", "validation_top1"]].transform("count")
    held_out = counts["validation_top1"] > counts["test_top1"]
    return curves.assign(top1=curves["test_top1"].mask(held_out, curves["validation_top1"]), held_out=held_out)


def on_held_out(rows: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    """Which rows have a curve of held-out images; `curves` are `followed`."""
    return rows["key"].isin(set(curves.loc[curves["held_out"].astype(bool), "key"]))
