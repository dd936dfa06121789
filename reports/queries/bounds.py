"""What a line of results must keep to, `--max-energy 1uJ --min-accuracy 90`, and by how much it misses that."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from benchmarks.spec import BadInput

MICROJOULES = {"pJ": 1e-6, "nJ": 1e-3, "uJ": 1.0, "µJ": 1.0, "mJ": 1e3, "J": 1e6}
BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}
QUANTITY = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\S+)\s*")
GREEK_MU, MICRO_SIGN = "μ", "µ"


def energy(text: str | None, option: str) -> float | None:
    """`"1uJ"` -> 1.0 microjoule. Raises BadInput for anything but a positive number and a unit of energy."""
    return _quantity(text.replace(GREEK_MU, MICRO_SIGN) if text else text, option, MICROJOULES)


def memory(text: str | None, option: str) -> float | None:
    """`"500MiB"` -> bytes. Raises BadInput for anything but a positive number and a unit of memory."""
    return _quantity(text, option, BYTES)


def _quantity(text: str | None, option: str, units: Mapping[str, float]) -> float | None:
    if text is None:
        return None
    read = QUANTITY.fullmatch(text)
    try:
        value = float(read[1]) * units[read[2]] if read else math.nan
    except (ValueError, KeyError):
        value = math.nan
    if not 0 < value < math.inf:
        like = f"500{next(iter(units))}"
        raise BadInput(f"{option} must be a number above 0 with one of {', '.join(units)}, like {like}, not {text!r}")
    return value


@dataclass(frozen=True)
class Bounds:
    """Least accuracy in percent, most energy in microjoules per image, most memory in bytes, most steps."""

    accuracy: float | None = None
    energy: float | None = None
    memory: float | None = None
    timesteps: int | None = None

    def __post_init__(self) -> None:
        """Raises BadInput for an accuracy that is none, and for less than one step."""
        if self.accuracy is not None and not 0 <= self.accuracy <= 100:
            raise BadInput(f"--min-accuracy is in percent, 0 to 100, not {self.accuracy:g}")
        if self.timesteps is not None and self.timesteps < 1:
            raise BadInput(f"--max-timesteps must be at least 1, not {self.timesteps}")

    def __str__(self) -> str:
        stated = [_side(name, limit, "least" if name == "accuracy" else "most") for name, limit in self._limits()]
        return ", ".join(stated) or "none"

    def _limits(self) -> Iterator[tuple[str, float]]:
        limits = ((one.name, getattr(self, one.name)) for one in fields(self))
        return ((name, limit) for name, limit in limits if limit is not None)

    def misses(self, line: Mapping[Any, Any]) -> dict[str, float]:
        """The bounds that a line of `comparison.aggregate` does not meet, each with its miss as a share of the bound.

        A value that is missing meets no bound: its miss is infinite.
        """
        found = {}
        for name, limit in self._limits():
            value = line[COLUMNS[name]]
            beyond = limit - value if name == "accuracy" else value - limit
            if math.isnan(value):
                found[name] = math.inf
            elif beyond > 0:
                found[name] = beyond / limit
        return found

    def described(self, line: Mapping[Any, Any]) -> str:
        """The misses of a line in words."""
        return "; ".join(_miss(name, line[COLUMNS[name]], getattr(self, name)) for name in self.misses(line))


COLUMNS = {
    "accuracy": "top1",
    "energy": "energy_events_microjoules",
    "memory": "peak_memory_bytes",
    "timesteps": "timesteps",
}
FORMATS = {"accuracy": "{:.4g} %", "energy": "{:.4g} µJ", "memory": "{:,.4g} MiB", "timesteps": "{:.0f}"}
NAMES = {"timesteps": "T"}


def _written(name: str, value: float) -> str:
    return FORMATS[name].format(value / 2**20 if name == "memory" else value)


def _side(name: str, limit: float, which: str) -> str:
    return f"{NAMES.get(name, name)} at {which} {_written(name, limit)}"


def _miss(name: str, value: float, limit: float) -> str:
    what = NAMES.get(name, name)
    if math.isnan(value):
        return f"{what} not measured"
    if name == "accuracy":
        return f"{what} {_written(name, value)}, {limit - value:.2f} points short of {_written(name, limit)}"
    times = f"{value / limit:.3g} times" if value / limit >= 1.1 else f"{100 * (value / limit - 1):.2g} % over"
    return f"{what} {_written(name, value)}, {times} {_written(name, limit)}"
