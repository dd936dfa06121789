"""Claims about single neurons: what alpha does to the quantisation error, and whether rates converge to the mapping."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from reports.claims.evidence import Evidence
from reports.claims.statement import Claim, Outcome, not_run

HALF = 0.505
"""A ratio that still counts as one half: currents are a grid, the error's supremum lies between its points."""


def claims() -> Iterator[Claim]:
    """None of these depends on a training, so none has a scale."""
    yield Claim(
        "alpha-largest", "Sec. 4", "IF: alpha = 0.5 halves alpha = 1's largest quantisation error", _halves, "neurons"
    )
    yield Claim("alpha-mean", "Sec. 4", "IF: alpha = 0.5 has the least mean quantisation error", _least, "neurons")
    yield Claim("prop-2", "Prop. 2", "IF: the firing rate converges to the clamp", _if_converges, "neurons")
    statement = "LIF: the weighted firing rate approximates the clamp, the better the smaller dt is"
    yield Claim("prop-1", "Prop. 1", statement, _lif_approximates, "neurons")


def _errors(evidence: Evidence) -> pd.DataFrame:
    """Of IF neurons: a row per T and alpha."""
    studies = evidence.studies
    return studies[(studies["study"] == "alpha") & (studies["neuron"] == "if")] if len(studies) else studies


def _halves(evidence: Evidence, scale: str) -> Outcome:
    errors = _errors(evidence)
    if errors.empty:
        return not_run("`dsr-bench quantization`")
    table = errors.pivot_table(index="timesteps", columns="alpha", values="max_error")
    ratios = table[0.5] / table[1.0]
    text = f"ratio {_range(ratios, '.3f')} over T = {_span(table.index)}"
    return Outcome("reproduced" if ratios.max() <= HALF else "not reproduced", text)


def _least(evidence: Evidence, scale: str) -> Outcome:
    errors = _errors(evidence)
    if errors.empty:
        return not_run("`dsr-bench quantization`")
    table = errors.pivot_table(index="timesteps", columns="alpha", values="mean_error")
    best = table.idxmin(axis=1)
    text = f"the best of {table.shape[1]} alphas is {_range(best, 'g')} over T = {_span(table.index)}"
    return Outcome("reproduced" if (best == 0.5).all() else "not reproduced", text)


def _rates(evidence: Evidence, neuron: str, alpha: float) -> pd.DataFrame:
    studies = evidence.studies
    if studies.empty:
        return studies
    rows = studies[(studies["study"] == "convergence") & (studies["neuron"] == neuron) & (studies["alpha"] == alpha)]
    return rows[rows["drive"] == "inside"]


def _if_converges(evidence: Evidence, scale: str) -> Outcome:
    rows = _rates(evidence, "if", 0.5).sort_values("timesteps") if len(evidence.studies) else evidence.studies
    if rows.empty:
        return not_run("`dsr-bench quantization`")
    last = rows.iloc[-1]
    bounded = bool((rows["max_error"] <= rows["bound"] * (1 + 1e-6)).all())
    text = "changing currents within the clamp's range: largest error "
    text += f"{100 * last['max_error']:.2g} % at T = {last['timesteps']:.0f}"
    text += f", {'never' if bounded else 'at some T'} above 1 / 2T"
    return Outcome("reproduced" if bounded else "not reproduced", text)


def _lif_approximates(evidence: Evidence, scale: str) -> Outcome:
    """The proposition says "approximates", and no limit: what error remains falls with dt and with nothing else."""
    rows = _rates(evidence, "lif", 0.3) if len(evidence.studies) else evidence.studies
    if rows.empty:
        return not_run("`dsr-bench quantization`")
    longest = rows[rows["timesteps"] == rows["timesteps"].max()].sort_values("dt")
    least = rows.groupby("dt")["mean_error"].min()
    floors = ", ".join(
        f"{100 * row['mean_error']:.2g} % at dt = {row['dt']:g} ({100 * least[row['dt']]:.2g} % at the best T)"
        for row in longest.to_dict("records")
    )
    text = f"mean error at T = {rows['timesteps'].max():.0f}: {floors}"
    return Outcome("reproduced" if longest["mean_error"].is_monotonic_increasing else "not reproduced", text)


def _range(values: pd.Series, digits: str) -> str:
    """`0.500`, or `0.500 to 0.513` if they differ in print."""
    return " to ".join(dict.fromkeys(format(end, digits) for end in (values.min(), values.max())))


def _span(steps: pd.Index) -> str:
    return f"{min(steps):.0f} to {max(steps):.0f}"
