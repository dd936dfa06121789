"""What a constructor refuses, a value at a time, each with a message that names that value alone."""

from __future__ import annotations

from collections.abc import Iterable


def at_least(minimum: float, **values: float) -> None:
    """Raise ValueError for a value below `minimum`, and for NaN."""
    for name, value in values.items():
        _require(value >= minimum, name, f"at least {minimum}", value)


def positive(**values: float) -> None:
    """Raise ValueError for a value that is not above 0."""
    for name, value in values.items():
        _require(value > 0, name, "positive", value)


def fraction(*, zero: bool = True, **values: float) -> None:
    """Raise ValueError for a value outside [0, 1]; without `zero`, outside (0, 1]."""
    for name, value in values.items():
        _require(0 < value <= 1 or (zero and value == 0), name, f"in {'[' if zero else '('}0, 1]", value)


def above(minimum: float, **values: float) -> None:
    """Raise ValueError for a value that is not above `minimum`."""
    for name, value in values.items():
        _require(value > minimum, name, f"above {minimum}", value)


def one_of(allowed: Iterable[str], **values: str) -> None:
    """Raise ValueError for a value that is not among those that are `allowed`."""
    allowed = tuple(allowed)
    for name, value in values.items():
        _require(value in allowed, name, " or ".join(allowed), value)


def _require(met: bool, name: str, what: str, value: object) -> None:
    if not met:
        raise ValueError(f"{name} must be {what}, not {value}")
