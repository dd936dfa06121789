"""What the figures of runs are drawn from: mean per method and T, what kind of method it is, and which share a figure.

A method is `converted` (it starts from a trained parent and trains nothing), `still` (it has no time axis, so it is
level in a figure against T), or `trained`. Variants `method@...` seen at one T only stand in figures of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from reports.energy import models

TABLE = ["dataset", "network", "scale"]
MOST = 9
"""Methods with a time axis in one figure; of more, the conversions have a figure of their own."""
TITLES = {"": "", "conversions": ", conversions"}


@dataclass(frozen=True)
class Part:
    """Lines that share a figure: `suffix` and `title` tell it from the other part of the same table."""

    suffix: str
    lines: pd.DataFrame

    @property
    def title(self) -> str:
        """What of the methods it shows, to put behind a caption's first words."""
        return TITLES[self.suffix]


def drawable(frame: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Of the rows' lines (`reports.tables.comparison.aggregate`) those with an accuracy.

    They get four columns more: `kind`, `variant`, `least_images`, `most_images`.
    """
    done = frame[frame["status"] == "done"]
    lines = lines[lines["top1"].notna()]
    on = [*TABLE, "method", "timesteps"]
    images = done.groupby(on)["test_images"].agg(["min", "max"])
    images.columns = pd.Index(["least_images", "most_images"])
    lines = lines.join(images, on=on).assign(kind=lines["method"].map(kinds(done)))
    steps = lines.groupby([*TABLE, "method"])["timesteps"].transform("nunique")
    lone = lines["method"].str.contains("@", regex=False) & (steps == 1)
    return lines.assign(variant=lone & (lines["kind"] == "trained"))


def kinds(done: pd.DataFrame) -> dict[str, str]:
    """`trained`, `converted` or `still` per method."""
    converted = done["parent_key"].notna() & (done["epochs"] == 0)
    moving = models.spiking(done) | (done["timesteps"] > 1)
    found = pd.DataFrame({"converted": converted, "moving": moving}).groupby(done["method"]).any()
    return {
        str(method): "converted" if one["converted"] else "trained" if one["moving"] else "still"
        for method, one in found.iterrows()
    }


def parents(frame: pd.DataFrame) -> dict[str, set[str]]:
    """The methods that each method starts from."""
    names = frame.drop_duplicates("key").set_index("key")["method"]
    pairs = pd.DataFrame({"method": frame["method"], "parent": frame["parent_key"].map(names)}).dropna()
    return {str(method): set(found) for method, found in pairs.groupby("method")["parent"]}


def parted(lines: pd.DataFrame, parents: dict[str, set[str]]) -> Iterator[Part]:
    """All lines in one part, or trained methods and conversions apart; `ann` and parents stand in each."""
    moving = lines[lines["kind"] != "still"]
    if moving["method"].nunique() <= MOST:
        yield Part("", lines)
        return
    for suffix, kind in (("", "trained"), ("conversions", "converted")):
        shown = set(moving["method"][moving["kind"] == kind])
        level = {"ann"}.union(*(parents.get(method, set()) for method in shown))
        yield Part(
            suffix, lines[lines["method"].isin(shown) | (lines["kind"].eq("still") & lines["method"].isin(level))]
        )


def slug(*words: str) -> str:
    """A file's name of words, empty ones left out, with nothing in it that a path or an address may not have."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", "-".join(word for word in words if word))
