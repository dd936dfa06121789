"""Damage to TOML files: values of other types, names that do not exist, text that is no TOML."""

from __future__ import annotations

import json
import math
import tomllib
from random import Random
from typing import Any

from bytewise import cut_anywhere, delete_a_range, flip_a_bit, insert_a_block, overwrite_a_byte, zero_a_range
from mutation import family
from trees import DEEP, nodes, other_encodings


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return (
            str(value)
            if not math.isfinite(value)
            else repr(value)
            if "." in repr(value) or "e" in repr(value)
            else f"{value!r}.0"
        )
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(name))} = {_value(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if value is None:
        raise ValueError("TOML has no null")
    return json.dumps(str(value))


def write(tree: Any) -> bytes:
    """Sections of scalars and lists, as TOML."""
    if not isinstance(tree, dict):
        raise ValueError("a TOML file is a table")
    plain = [f"{json.dumps(name)} = {_value(one)}" for name, one in tree.items() if not isinstance(one, dict)]
    sections = [
        f"[{json.dumps(name)}]\n" + "\n".join(f"{json.dumps(n)} = {_value(v)}" for n, v in one.items())
        for name, one in tree.items()
        if isinstance(one, dict)
    ]
    return "\n".join([*plain, *sections, ""]).encode("utf-8", "surrogatepass")


def _read(raw: bytes) -> Any:
    return tomllib.loads(raw.decode("utf-8-sig"))


def a_date(raw: bytes, rng: Random) -> bytes:
    return _line(raw, rng, rng.choice((b"2026-11-25", b"07:32:00", b"1979-05-27T07:32:00Z")))


def no_value(raw: bytes, rng: Random) -> bytes:
    return _line(
        raw, rng, rng.choice((b"", b"nan", b"inf", b"-inf", b"4h", b"1,5", b"0x1F", b"1_000", b"'''a\nb'''", b"0b11"))
    )


def _line(raw: bytes, rng: Random, value: bytes) -> bytes:
    lines = raw.split(b"\n")
    places = [at for at, line in enumerate(lines) if b" = " in line]
    if not places:
        return raw
    at = rng.choice(places)
    lines[at] = lines[at].split(b" = ")[0] + b" = " + value
    return b"\n".join(lines)


def named_twice(raw: bytes, rng: Random) -> bytes:
    lines = raw.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join([*lines[:at], lines[at], *lines[at:]])


def too_deep(raw: bytes, rng: Random) -> bytes:
    return raw + rng.choice(
        (b"\nx = " + b"[" * DEEP + b"]" * DEEP, b"\n" + b"a." * DEEP + b"b = 1", b"\nx = " + b"{a=" * DEEP)
    )


def with_a_mark(raw: bytes, rng: Random) -> bytes:
    return b"\xef\xbb\xbf" + raw.removeprefix(b"\xef\xbb\xbf")


def comments(raw: bytes, rng: Random) -> bytes:
    return b"# ours\n" + raw.replace(b"\n", b"  # so\n", 1)


def windows_line_ends(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def spaced_otherwise(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b" = ", b"=").replace(b"\n", b"\n\n  ")


DAMAGE = (cut_anywhere, flip_a_bit, overwrite_a_byte, zero_a_range, delete_a_range, insert_a_block, other_encodings)
TOML = family(
    [*2 * nodes(_read, write), a_date, no_value, named_twice, too_deep, *DAMAGE],
    (with_a_mark, comments, windows_line_ends, spaced_otherwise),
)
