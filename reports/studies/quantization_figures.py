"""Figures of `dsr-bench quantization`; the first is the paper's Fig. 2."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.figures.drawing import COLOURS, Figure, draw, label_ends

IF, LIF = COLOURS["dsr-if"], COLOURS["dsr-lif"]
ONE, HALF = "#D55E00", "#009E73"
GREY = "#888888"
SHOWN = (2, 5, 10, 20, 64)
SHOWN_DT = 0.05
DTS = {0.1: "#E69F00", SHOWN_DT: LIF, 0.01: "#7A3300"}
PERCENT = "% of the ceiling"
STUDIES = ("rate", "alpha", "convergence", "deviation")
NEURONS = ("if", "lif")
SETTING = ["neuron", "dt", "alpha", "timesteps"]
Style = dict[str, Any]


def named(neuron: str, dt: float) -> str:
    """A neuron as tables and figures call it; `dt` is NaN for IF."""
    return neuron.upper() if math.isnan(dt) else f"{neuron.upper()}, dt = {dt:g}"


def parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each curve that a table or figure cannot do without, by what to call it."""
    found = {
        f"study {study!r} of neuron {neuron!r}": frame[(frame["study"] == study) & (frame["neuron"] == neuron)]
        for study in STUDIES
        for neuron in NEURONS
    }
    for neuron, dt in (("if", math.nan), ("lif", SHOWN_DT)):
        rows = found[f"study 'alpha' of neuron {neuron!r}"]
        rows = rows if math.isnan(dt) else rows[rows["dt"] == dt]
        found |= {f"study 'alpha' of {named(neuron, dt)}, T = {T}": rows[rows["timesteps"] == T] for T in SHOWN}
    rows = found["study 'convergence' of neuron 'lif'"]
    constant = rows[rows["drive"] == "constant"]
    return found | {f"study 'convergence' of {named('lif', dt)}": constant[constant["dt"] == dt] for dt in DTS}


def figures_of_neurons(frame: pd.DataFrame) -> list[Figure]:
    """Rate against current, error against alpha, convergence, and the deviation's bias."""
    rate, alpha, long, deviation = (frame[frame["study"] == study] for study in STUDIES)
    figures = [_draw_rate(rate[rate["neuron"] == neuron]) for neuron in NEURONS]
    for rows in (alpha[alpha["neuron"] == "if"], alpha[alpha["dt"] == SHOWN_DT]):
        figures += [_draw_alpha(rows, key, what) for key, what in (("mean_error", "mean"), ("max_error", "largest"))]
    for neuron, paint in (("if", _convergence_if), ("lif", _convergence_lif)):
        rows = long[long["neuron"] == neuron]
        figures.append(draw(f"quantization-convergence-{neuron}", CAPTIONS[neuron], paint(rows)))
    return [*figures, draw("quantization-deviation", CAPTIONS["deviation"], _deviation(deviation))]


def _draw_rate(rows: pd.DataFrame) -> Figure:
    neuron, dt, steps = (rows[name].iloc[0] for name in ("neuron", "dt", "timesteps"))
    caption = f"Firing rate over T = {steps} steps of one current, and the clamp it stands for: {named(neuron, dt)}."
    return draw(f"quantization-rate-{neuron}", caption, _rate(rows))


def _draw_alpha(rows: pd.DataFrame, key: str, what: str) -> Figure:
    neuron, dt = rows["neuron"].iloc[0], rows["dt"].iloc[0]
    caption = f"{what.capitalize()} quantisation error against alpha at several T, {named(neuron, dt)}. Dots: least."
    file = f"quantization-alpha-{what}-{neuron}"
    return draw(file, caption, _alpha(rows, key, f"{what} error ({PERCENT})"))


CAPTIONS = {
    "if": (
        "Convergence of the IF's firing rate, alpha = 0.5 (paper, Prop. 2): mean error to the clamp of the mean "
        "current so far. Currents that stay in the clamp's range, constant or not, err by at most 1 / 2T."
    ),
    "lif": (
        "Convergence of the LIF's weighted firing rate, alpha = 0.3, tau = 1 (paper, Prop. 1): it approaches the clamp "
        "up to an error in proportion to dt, and no further."
    ),
    "deviation": (
        "Mean deviation error for currents that are independent and alike at all steps, up to one ceiling away from "
        "their expectation: 0 in the middle of the range, not at its ends."
    ),
}


def _rate(rows: pd.DataFrame) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        clamp = rows.drop_duplicates("current")
        axes.plot(clamp["current"], clamp["mapping"], color="black", lw=1, ls="--", label="clamp")
        for alpha, colour in ((1.0, ONE), (0.5, HALF)):
            one = rows[rows["alpha"] == alpha]
            axes.plot(
                one["current"], one["rate"], color=colour, lw=1.6, drawstyle="steps-mid", label=f"alpha = {alpha:g}"
            )
        lif = rows["neuron"].iloc[0] == "lif"
        unit = "tau V / dt" if lif else "V"
        rate = "weighted firing rate (V / dt)" if lif else "firing rate (V)"
        axes.set(xlabel=f"input current ({unit})", ylabel=rate, xlim=(-0.25, 1.25), ylim=(-0.05, 1.08))
        axes.legend(loc="upper left")

    return paint


def _alpha(rows: pd.DataFrame, key: str, label: str) -> Callable[[Axes], None]:
    shades = matplotlib.colormaps["viridis"]

    def paint(axes: Axes) -> None:
        ends = []
        for place, steps in enumerate(SHOWN):
            one = rows[rows["timesteps"] == steps]
            colour = matplotlib.colors.to_hex(shades(0.85 - 0.8 * place / (len(SHOWN) - 1)))
            axes.plot(one["alpha"], 100 * one[key], color=colour, lw=1.5)
            least = one.iloc[one[key].argmin()]
            axes.plot(least["alpha"], 100 * least[key], "o", color=colour, ms=5)
            ends.append((f"T = {steps}", 100 * one[key].iloc[-1], colour))
        axes.set(xlabel="alpha (fires at alpha V)", ylabel=label, yscale="log", xlim=(0.1, 1))
        _plain_logarithms(axes)
        label_ends(axes, ends)

    return paint


def _convergence_if(rows: pd.DataFrame) -> Callable[[Axes], None]:
    half = rows[rows["alpha"] == 0.5]
    looks: dict[str, tuple[Style, str]] = {
        "constant": ({"color": IF, "lw": 1.5}, "constant"),
        "inside": ({"color": IF, "marker": "o", "ms": 5, "mfc": "white", "lw": 0}, "changing, inside the range"),
        "beyond": ({"color": ONE, "marker": "s", "ms": 3.5, "lw": 1.5}, "changing, beyond it too"),
        "settling": ({"color": "#CC79A7", "marker": "^", "ms": 3, "lw": 1}, "changing less and less"),
    }

    def paint(axes: Axes) -> None:
        for drive, (style, label) in looks.items():
            one = half[half["drive"] == drive]
            axes.plot(one["timesteps"], 100 * one["mean_error"], label=label, **style)
            if drive == "beyond":
                label = "the same, to the clamp of the mean's limit"
                axes.plot(one["timesteps"], 100 * one["limit_error"], color=ONE, lw=1, ls=":", label=label)
        bounded = half[half["drive"] == "constant"]
        label = "bound of the largest, inside: 1 / 2T"
        axes.plot(bounded["timesteps"], 100 * bounded["bound"], color=GREY, lw=1, ls="--", label=label)
        _against_steps(axes)
        axes.legend(loc="lower left", fontsize=7.5)

    return paint


def _convergence_lif(rows: pd.DataFrame) -> Callable[[Axes], None]:
    looks: dict[str, tuple[Style, str]] = {
        "constant": ({"lw": 1.5}, "constant"),
        "inside": ({"marker": "o", "ms": 4.5, "mfc": "white", "lw": 0}, "changing, inside the range"),
        "beyond": ({"marker": "s", "ms": 3.5, "lw": 1}, f"changing, beyond it too (dt = {SHOWN_DT:g})"),
    }

    def paint(axes: Axes) -> None:
        ends = []
        for dt, colour in DTS.items():
            for drive, (style, _) in looks.items():
                one = rows[(rows["dt"] == dt) & (rows["drive"] == drive)]
                if drive != "beyond" or dt == SHOWN_DT:
                    axes.plot(one["timesteps"], 100 * one["mean_error"], color=colour, **style)
                if drive == "constant":
                    axes.plot(one["timesteps"], 100 * one["bound"], color=colour, lw=1, ls="--")
                    ends.append((f"dt = {dt:g}", 100 * one["mean_error"].iloc[-1], colour))
        for style, label in looks.values():
            axes.plot([], [], color=GREY, label=label, **style)
        axes.plot([], [], color=GREY, lw=1, ls="--", label="bound of the largest, inside")
        _against_steps(axes)
        label_ends(axes, ends)
        axes.legend(loc="lower left", fontsize=7.5)

    return paint


def _deviation(rows: pd.DataFrame) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        settings = rows.drop_duplicates(SETTING)
        for neuron, dt, alpha, steps in zip(*(settings[name] for name in SETTING), strict=True):
            same_dt = rows["dt"].isna() if math.isnan(dt) else rows["dt"] == dt
            one = rows[(rows["neuron"] == neuron) & same_dt & (rows["alpha"] == alpha) & (rows["timesteps"] == steps)]
            style: Style = {"color": IF if neuron == "if" else LIF, "lw": 1.5 if steps == 5 else 0.9}
            style |= {"ls": ":" if alpha == 1 else "-", "label": f"{named(neuron, dt)}, T = {steps}, alpha = {alpha:g}"}
            axes.plot(one["current"], 100 * one["deviation_bias"], **style)
        axes.axhline(0, color="black", lw=0.8)
        axes.set(xlabel="expected current (of where the clamp ends)", ylabel=f"mean deviation error ({PERCENT})")
        axes.legend(loc="upper right", fontsize=7.5)

    return paint


def _against_steps(axes: Axes) -> None:
    axes.set(xlabel="time steps T", ylabel=f"mean error ({PERCENT})", yscale="log", xlim=(0.9, 1150))
    axes.set_xscale("log", base=2)
    axes.set_xticks([4**k for k in range(6)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _plain_logarithms(axes)


def _plain_logarithms(axes: Axes) -> None:
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
