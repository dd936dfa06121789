"""TOML that may be damaged."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

NESTED = 100
"""Brackets, braces or dots in one line: more than any settings file has."""


def read(path: Path) -> dict[str, Any]:
    """Return what a TOML file says, which may begin with a byte order mark.

    Raises OSError and ValueError, also for a line that may nest deeply: tomllib takes memory by the square of a key's
    dots, 4.5 GB for 30,000.
    """
    text = path.read_text(encoding="utf-8-sig")
    for number, line in enumerate(text.split("\n"), 1):
        if max(map(line.count, ".[{")) > NESTED and not line.lstrip().startswith("#"):
            raise ValueError(f"it is nested too deeply (at line {number})")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
