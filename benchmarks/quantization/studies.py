"""Single neurons against their mapping: what Fig. 2, Sec. 3.3 and Sec. 4 of the paper say, measured.

Currents are in units of the mean current at which the clamp ends, V (IF) or tau V / dt (LIF), rates in units of its
height, V or V / dt: every mapping is clamp(m, 0, 1), m the (weighted) mean current. tau = 1 throughout.

Where all currents lie in [0, 1] the membrane stays in [(alpha - 1) V, alpha V), and from Eq. 12 follows

    rate = g m - q v / V,    so    -(1 - g) - alpha q < rate - m <= (1 - alpha) q

with the membrane v after the last step, q the weight of the last step, 1 / N (IF) or (1 - l) / (1 - l^N) (LIF,
l = exp(-dt / tau)), and g = 1 (IF) or (1 - l) tau / dt (LIF; the paper takes it for 1). For a constant current this is
Eq. 18 (alpha = 1) and 21 (alpha = 1/2). With N the LIF's bound goes to 1 - g + alpha dt / tau or so, not to 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

import dsr
from benchmarks.quantization.split import Split, split
from dsr.dynamics import Dynamics
from dsr.neurons import Neuron

ALPHAS = tuple(k / 40 for k in range(4, 41))
STEPS = (1, 2, 4, 5, 8, 10, 15, 20, 32, 50, 64)
LONG = tuple(2**k for k in range(11))
# prime numbers of currents: N times a current then has every phase, whatever N is
MANY, SOME = 4093, 509
DRAWS = 4096


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of `quantization.csv`; `results/README.md` explains every column."""

    study: str
    neuron: str
    tau: float | None
    dt: float | None
    alpha: float
    timesteps: int
    drive: str
    currents: int
    current: float | None = None
    rate: float | None = None
    mapping: float | None = None
    error: float | None = None
    mean_error: float | None = None
    max_error: float | None = None
    limit_error: float | None = None
    bound: float | None = None
    representation_bias: float | None = None
    quantization_bias: float | None = None
    deviation_bias: float | None = None


class Kind(NamedTuple):
    """IF (`dt` None) or LIF with tau = 1 and threshold 1."""

    dt: float | None = None

    def neuron(self, timesteps: int, alpha: float) -> Neuron:
        """In float64."""
        made = dsr.IF(timesteps, 1.0, alpha) if self.dt is None else dsr.LIF(timesteps, 1.0, alpha, dt=self.dt)
        return made.double()

    def row(self, study: str, timesteps: int, alpha: float, drive: str, currents: int, **found: float) -> Row:
        name, tau = ("if", None) if self.dt is None else ("lif", 1.0)
        at = {"alpha": alpha, "timesteps": timesteps, "drive": drive, "currents": currents}
        return Row(study=study, neuron=name, tau=tau, dt=self.dt, **at, **found)  # type: ignore[arg-type]


IF, LIF = Kind(), Kind(0.05)
LOW_LATENCY = Kind(0.1)
"""LIF as the released code has it at T = 5."""
FINE = Kind(0.01)


def studies() -> Iterator[Row]:
    """All rows of `quantization.csv`: the same on every machine, up to rounding."""
    yield from rate_against_current()
    yield from error_against_alpha()
    yield from convergence()
    yield from deviation()


def rate_against_current(timesteps: int = 5) -> Iterator[Row]:
    """Fig. 2: constant currents from a quarter below the clamp's range to a quarter above."""
    currents = 1.5 * midpoints(192) - 0.25  # no tie: multiples of 1 / 256 that are none of 1 / 128
    for kind, alpha in product((IF, LOW_LATENCY), (1.0, 0.5)):
        found = measure(kind, timesteps, alpha, currents.expand(timesteps, -1))
        columns = (currents, found.measured, found.mapping, found.representation)
        for current, rate, mapping, error in zip(*(column.tolist() for column in columns), strict=True):
            values = {"current": current, "rate": rate, "mapping": mapping, "error": error}
            yield kind.row("rate", timesteps, alpha, "constant", 1, **values)


def error_against_alpha() -> Iterator[Row]:
    """Mean and largest error over constant currents evenly spread in the open range of the clamp."""
    for kind, timesteps, alpha in product((IF, LIF, LOW_LATENCY), STEPS, ALPHAS):
        found = measure(kind, timesteps, alpha, midpoints(MANY).expand(timesteps, -1))
        yield kind.row("alpha", timesteps, alpha, "constant", MANY, **_sizes(kind, timesteps, alpha, found))


def convergence() -> Iterator[Row]:
    """Prop. 1 (LIF) and 2 (IF): error at growing N, for currents that are constant and that change with time.

    `limit_error` is against the clamp of what the mean tends to, the others against the clamp of the mean so far.
    """
    for kind, alpha in ((IF, 0.5), (IF, 1.0), (LOW_LATENCY, 0.3), (LIF, 0.3), (FINE, 0.3)):
        for (drive, currents), timesteps in product(drives(LONG[-1], SOME).items(), LONG):
            found = measure(kind, timesteps, alpha, currents[:timesteps])
            limit = (found.measured - midpoints(SOME)).abs().mean().item()
            sizes = _sizes(kind, timesteps, alpha, found)
            if drive in ("beyond", "settling"):
                del sizes["bound"]
            yield kind.row("convergence", timesteps, alpha, drive, SOME, limit_error=limit, **sizes)


def deviation() -> Iterator[Row]:
    """Is the deviation error 0 on average where currents are independent and alike? `current` is their expectation."""
    for kind, timesteps, alpha in ((IF, 5, 1.0), (IF, 5, 0.5), (IF, 20, 0.5), (LOW_LATENCY, 5, 0.5), (LIF, 20, 0.3)):
        noise = _noise(timesteps, DRAWS)
        for current in (k / 16 for k in range(-8, 25)):
            found = measure(kind, timesteps, alpha, current + noise)
            biases = {
                "representation_bias": found.representation.mean().item(),
                "quantization_bias": found.quantization.mean().item(),
                "deviation_bias": found.deviation.mean().item(),
            }
            sizes = {"mean_error": found.representation.abs().mean().item()}
            yield kind.row("deviation", timesteps, alpha, "beyond", DRAWS, current=current, **sizes, **biases)


def measure(kind: Kind, timesteps: int, alpha: float, currents: Tensor) -> Split:
    """Simulate currents `(T, count)`; rates `(count,)`."""
    neuron = kind.neuron(timesteps, alpha)
    of = neuron.dynamics()
    return Split(*(rate[0] * of.dt for rate in split(neuron, currents * (of.tau / of.dt))))


def drives(timesteps: int, count: int) -> Mapping[str, Tensor]:
    """Currents `(T, count)` around evenly spread ones, noise uniform and independent from step to step.

    constant; inside: never beyond the clamp's ends; beyond: up to 1 away; settling: up to 1 / sqrt(n) away at step n,
    so that the LIF's weighted mean converges too.
    """
    centre, noise = midpoints(count), _noise(timesteps, count)
    fading = torch.arange(1, timesteps + 1, dtype=torch.float64).rsqrt().unsqueeze(1)
    return {
        "constant": centre.expand(timesteps, -1),
        "inside": centre + noise * centre.minimum(1 - centre),
        "beyond": centre + noise,
        "settling": centre + noise * fading,
    }


def midpoints(count: int) -> Tensor:
    """Evenly spread in the open interval (0, 1)."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def bound(of: Dynamics, alpha: float) -> float:
    """The largest error that constant currents, and all that stay in the clamp's range, can have."""
    last, gain = of.weights[-1], of.gain * of.tau / of.dt
    return max(1 - gain + alpha * last, (1 - alpha) * last)


def _noise(timesteps: int, count: int) -> Tensor:
    """Uniform in [-1, 1), the same at every call."""
    generator = torch.Generator().manual_seed(2022)
    return 2 * torch.rand(timesteps, count, dtype=torch.float64, generator=generator) - 1


def _sizes(kind: Kind, timesteps: int, alpha: float, found: Split) -> dict[str, float]:
    error = found.representation.abs()
    most = bound(kind.neuron(timesteps, alpha).dynamics(), alpha)
    return {"mean_error": error.mean().item(), "max_error": error.max().item(), "bound": most}
