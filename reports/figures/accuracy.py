"""Accuracy against T (the paper's Fig. 3a) and against depth (Fig. 3b)."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.catalogue.networks import LAYERS
from reports.figures.accuracy_axes import Looks, paint_against_depth, paint_against_t
from reports.figures.appearance import drawn
from reports.figures.drawing import Figure
from reports.figures.series import TABLE, parted, slug

NOT_DRAWN = "The paper's points are of scale paper and not drawn here."
WHISKERS = "Whiskers: 95 % intervals, Student t over seeds, Wilson for one seed, of two seeds both, cut off where long."


def against_t(
    lines: pd.DataFrame, starts: dict[str, set[str]], looks: Looks, published: pd.DataFrame | None = None
) -> Iterator[Figure]:
    """Accuracy against T per dataset, network and scale with two different T; `published` only at scale `paper`."""
    for (dataset, network, scale), found in lines[~lines["variant"]].groupby(TABLE, sort=False):
        what, known = f"{network} on {dataset}, scale {scale}", of_paper(published, dataset, network, scale)
        for part in parted(found, starts):
            moving = part.lines[part.lines["kind"] != "still"]
            others = known[~known["method"].isin(found["method"][~found["method"].isin(part.lines["method"])])]
            others = others if part.suffix == "" else others[others["method"].isin(part.lines["method"])]
            if len({*moving["timesteps"], *others["timesteps"]}) < 2:
                continue
            name = slug("accuracy-against-t", part.suffix, str(dataset), str(network), str(scale))
            notes = [WHISKERS, _images(moving), _published_note(str(scale), others)]
            caption = " ".join([f"Accuracy against T{part.title}: {what}. Level: no time axis.", *filter(None, notes)])
            yield drawn(name, caption, str(scale), paint_against_t(part, looks, others))


def of_paper(published: pd.DataFrame | None, dataset: object, network: object, scale: object) -> pd.DataFrame:
    """Published points that may stand beside these runs: those of scale `paper` on the same data set and network."""
    if published is None or scale != "paper":
        return pd.DataFrame(columns=["method", "timesteps", "accuracy"])
    same = (published["dataset"] == dataset) & (published["network"] == network)
    return published[
        same & published["timesteps"].notna() & published["accuracy"].notna() & published["method"].notna()
    ]


def _published_note(scale: str, points: pd.DataFrame) -> str:
    if scale != "paper":
        return NOT_DRAWN
    return "Large and hollow: published." if len(points) else ""


def _images(moving: pd.DataFrame) -> str:
    least, most = moving["least_images"].min(), moving["most_images"].max()
    return f"Between {least:,.0f} and {most:,.0f} test images." if least < most else ""


def against_depth(lines: pd.DataFrame, starts: dict[str, set[str]], looks: Looks) -> Iterator[Figure]:
    """Accuracy against depth per dataset, scale and T where networks of two depths have run."""
    deep = lines[lines["network"].isin(LAYERS) & ~lines["variant"]]
    deep = deep.assign(depth=[LAYERS[network] for network in deep["network"]])
    for (dataset, scale), found in deep.groupby(["dataset", "scale"], sort=False):
        still = found["kind"] == "still"
        for steps in sorted(found["timesteps"][~still].unique()):
            at_t = found[still | (found["timesteps"] == steps)]
            if at_t["depth"][at_t["kind"] != "still"].nunique() < 2:
                continue
            for part in parted(at_t, starts):
                name = slug("accuracy-against-depth", part.suffix, str(dataset), f"T{steps}", str(scale))
                what = f"PreAct-ResNet of 16, 32 and 64 channels on {dataset}, T = {steps}, scale {scale}"
                note = NOT_DRAWN if scale != "paper" else ""
                caption = f"Accuracy against depth{part.title}: {what}. {WHISKERS} {note}".strip()
                yield drawn(name, caption, str(scale), paint_against_depth(part, looks))
