"""Firing rate layer by layer:   spikes / (neurons x T)   per image, the mean over seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from reports.figures.appearance import DASHES, Style, draw_at_scale, legend_beside, wrapped
from reports.figures.drawing import Figure
from reports.figures.series import TABLE, parted, slug


def rates_by_layer(
    lines: pd.DataFrame,
    frame: pd.DataFrame,
    layers: pd.DataFrame,
    parents: dict[str, set[str]],
    styles: Mapping[str, Style],
) -> Iterator[Figure]:
    """One figure per dataset, network and scale; of every method the largest T whose layers are known."""
    rates = firing_rates(frame, layers).merge(lines[[*TABLE, "method", "kind", "variant"]].drop_duplicates())
    for identity, rows in rates[~rates["variant"]].groupby(TABLE, sort=False):
        dataset, network, scale = map(str, identity)
        for part in parted(rows, parents):
            moving = part.lines[part.lines["kind"] != "still"]
            if moving.empty:
                continue
            caption = (
                f"Spikes per neuron and step, layer by layer as an image passes them{part.title}: {network} on "
                f"{dataset}, scale {scale}. A layer of neurons is named by the first layer that feeds it. "
                "Of each method the largest T whose layers are on record."
            )
            name = slug("firing-rate-per-layer", part.suffix, dataset, network, scale)
            yield draw_at_scale(name, caption, scale, _paint(moving, styles))


def firing_rates(frame: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """`rate` per table, method, `layer` and `place` (the layers' order), mean over seeds, at the method's largest T."""
    done = frame[frame["status"] == "done"][[*TABLE, "method", "key", "timesteps"]]
    spiking = layers[layers["output_spikes"].notna() & (layers["output_neurons"] > 0)]
    spiking = spiking.rename(columns={"timesteps": "steps"}).merge(done, on="key")
    longest = spiking.groupby([*TABLE, "method"])["timesteps"].transform("max")
    spiking = spiking[spiking["timesteps"] == longest]
    spiking = spiking.assign(
        rate=spiking["output_spikes"] / (spiking["output_neurons"] * spiking["steps"]),
        place=spiking.groupby("key").cumcount(),
    )
    on = [*TABLE, "method", "timesteps", "layer"]
    return spiking.groupby(on, sort=False).agg(rate=("rate", "mean"), place=("place", "max")).reset_index()


def ordered(rates: pd.DataFrame) -> list[str]:
    """All layers in the order in which an image passes them: methods may lack some, and none is twice there."""
    names: list[str] = []
    runs = [layers.sort_values("place")["layer"].tolist() for _, layers in rates.groupby("method", sort=False)]
    for run in sorted(runs, key=len, reverse=True):
        for before, layer in zip([None, *run], run, strict=False):
            if layer not in names:
                names.insert(names.index(before) + 1 if before else 0, layer)
    return names


def _paint(rates: pd.DataFrame, styles: Mapping[str, Style]) -> Callable[[Axes], None]:
    names = ordered(rates)

    def paint(axes: Axes) -> None:
        entries = []
        for method, layers in rates.groupby("method", sort=False):
            style, kind = styles[str(method)], layers["kind"].iloc[0]
            places = [names.index(layer) for layer in layers["layer"]]
            label = f"{wrapped(str(method))}, T = {layers['timesteps'].iloc[0]}"
            (line,) = axes.plot(
                places,
                layers["rate"],
                color=style.colour,
                marker=style.marker,
                ms=3.8,
                lw=1.1,
                ls=DASHES[kind],
                label=label,
            )
            entries.append(line)
        axes.set_xticks(range(len(names)), shortened(names), rotation=90, fontsize=6.5)
        axes.set(ylabel="firing rate (spikes per neuron and step)", xlim=(-0.5, len(names) - 0.5))
        axes.set_ylim(bottom=0)
        legend_beside(axes, entries)

    return paint


def shortened(names: Sequence[str]) -> list[str]:
    """`stages.0.1.conv2` -> `0.1 conv2`."""
    return [re.sub(r"^(?:stages|features|layers)\.|\.layer$", "", name).replace(".conv", " conv") for name in names]
