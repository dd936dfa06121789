"""Single neurons compared with their mapping: measurements for Fig. 2, Sec. 3.3 and Sec. 4 of the paper.

Currents are in units of the mean current at which the clamp saturates, V (IF) or tau V / dt (LIF). Rates are in units
of the clamp's height, V or V / dt. Every mapping is then clamp(m, 0, 1), with m the (weighted) mean current. tau = 1
throughout.

If all currents lie in [0, 1], the membrane stays in [(alpha - 1) V, alpha V), and Eq. 12 gives

    rate = g m - q v / V,    so    -(1 - g) - alpha q < rate - m <= (1 - alpha) q

with the membrane v after the last step, the weight q of the last step, 1 / N (IF) or (1 - l) / (1 - l^N) (LIF,
l = exp(-dt / tau)), and g = 1 (IF) or (1 - l) tau / dt (LIF; the paper uses 1). For a constant current this is Eq. 18
(alpha = 1) and 21 (alpha = 1/2). For large N the LIF's bound tends to about 1 - g + alpha dt / tau, not to 0.
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
# prime numbers of currents, so that N times a current takes every phase for any N
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
        """Return a neuron in float64."""
        neuron = dsr.IF(timesteps, 1.0, alpha) if self.dt is None else dsr.LIF(timesteps, 1.0, alpha, dt=self.dt)
        return neuron.double()

    def row(self, study: str, timesteps: int, alpha: float, drive: str, currents: int, **values: float) -> Row:
        name, tau = ("if", None) if self.dt is None else ("lif", 1.0)
        at = {"alpha": alpha, "timesteps": timesteps, "drive": drive, "currents": currents}
        return Row(study=study, neuron=name, tau=tau, dt=self.dt, **at, **values)  # type: ignore[arg-type]


IF, LIF = Kind(), Kind(0.05)
LOW_LATENCY = Kind(0.1)
"""The released code's LIF at T = 5."""
FINE = Kind(0.01)


def studies() -> Iterator[Row]:
    """Yield all rows of `quantization.csv`; they are the same on every machine up to rounding."""
    yield from rate_against_current()
    yield from error_against_alpha()
    yield from convergence()
    yield from deviation()


def rate_against_current(timesteps: int = 5) -> Iterator[Row]:
    """Fig. 2: constant currents from a quarter below the clamp's range to a quarter above."""
    currents = 1.5 * midpoints(192) - 0.25  # odd multiples of 1 / 256, which avoid ties
    for kind, alpha in product((IF, LOW_LATENCY), (1.0, 0.5)):
        errors = measure(kind, timesteps, alpha, currents.expand(timesteps, -1))
        columns = (currents, errors.measured, errors.mapping, errors.representation)
        for current, rate, mapping, error in zip(*(column.tolist() for column in columns), strict=True):
            values = {"current": current, "rate": rate, "mapping": mapping, "error": error}
            yield kind.row("rate", timesteps, alpha, "constant", 1, **values)


def error_against_alpha() -> Iterator[Row]:
    """Mean and largest error over constant currents, evenly spaced in the open interval of the clamp."""
    for kind, timesteps, alpha in product((IF, LIF, LOW_LATENCY), STEPS, ALPHAS):
        errors = measure(kind, timesteps, alpha, midpoints(MANY).expand(timesteps, -1))
        yield kind.row("alpha", timesteps, alpha, "constant", MANY, **_sizes(kind, timesteps, alpha, errors))


def convergence() -> Iterator[Row]:
    """Prop. 1 (LIF) and 2 (IF): error for growing N, for currents that are constant or change with time.

    `limit_error` is the error from the clamp of the mean's limit, the others from the clamp of the mean so far.
    """
    for kind, alpha in ((IF, 0.5), (IF, 1.0), (LOW_LATENCY, 0.3), (LIF, 0.3), (FINE, 0.3)):
        for (drive, currents), timesteps in product(drives(LONG[-1], SOME).items(), LONG):
            errors = measure(kind, timesteps, alpha, currents[:timesteps])
            limit = (errors.measured - midpoints(SOME)).abs().mean().item()
            sizes = _sizes(kind, timesteps, alpha, errors)
            if drive in ("beyond", "settling"):
                del sizes["bound"]
            yield kind.row("convergence", timesteps, alpha, drive, SOME, limit_error=limit, **sizes)


def deviation() -> Iterator[Row]:
    """Bias of the deviation error for independent, identically distributed currents; `current` is their expectation."""
    for kind, timesteps, alpha in ((IF, 5, 1.0), (IF, 5, 0.5), (IF, 20, 0.5), (LOW_LATENCY, 5, 0.5), (LIF, 20, 0.3)):
        noise = _noise(timesteps, DRAWS)
        for current in (k / 16 for k in range(-8, 25)):
            errors = measure(kind, timesteps, alpha, current + noise)
            biases = {
                "representation_bias": errors.representation.mean().item(),
                "quantization_bias": errors.quantization.mean().item(),
                "deviation_bias": errors.deviation.mean().item(),
            }
            sizes = {"mean_error": errors.representation.abs().mean().item()}
            yield kind.row("deviation", timesteps, alpha, "beyond", DRAWS, current=current, **sizes, **biases)


def measure(kind: Kind, timesteps: int, alpha: float, currents: Tensor) -> Split:
    """Simulate currents `(T, count)` and return rates `(count,)`, both in the units above."""
    neuron = kind.neuron(timesteps, alpha)
    dynamics = neuron.dynamics()
    return Split(*(rate[0] * dynamics.dt for rate in split(neuron, currents * (dynamics.tau / dynamics.dt))))


def drives(timesteps: int, count: int) -> Mapping[str, Tensor]:
    """Return currents `(T, count)` around evenly spaced means; the noise is uniform and independent between steps.

    constant: no noise; inside: the currents stay within the clamp's ends; beyond: noise up to 1; settling: noise up to
    1 / sqrt(n) at step n, so that the LIF's weighted mean converges too.
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
    """Return evenly spaced values in the open interval (0, 1)."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def bound(dynamics: Dynamics, alpha: float) -> float:
    """Return the largest possible error for currents that stay within the clamp's ends (see above)."""
    last, gain = dynamics.weights[-1], dynamics.gain * dynamics.tau / dynamics.dt
    return max(1 - gain + alpha * last, (1 - alpha) * last)


def _noise(timesteps: int, count: int) -> Tensor:
    """Return noise uniform in [-1, 1), the same in every call."""
    generator = torch.Generator().manual_seed(2022)
    return 2 * torch.rand(timesteps, count, dtype=torch.float64, generator=generator) - 1


def _sizes(kind: Kind, timesteps: int, alpha: float, errors: Split) -> dict[str, float]:
    error = errors.representation.abs()
    most = bound(kind.neuron(timesteps, alpha).dynamics(), alpha)
    return {"mean_error": error.mean().item(), "max_error": error.max().item(), "bound": most}
