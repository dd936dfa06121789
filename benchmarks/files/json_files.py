"""JSON that may be damaged: read strictly, and made into dataclasses, each field of its declared type."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from benchmarks.spec import is_number, shown

T = TypeVar("T")
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Two of these escapes, one after the other, are a character."""


def read(path: Path, encoding: str = "utf-8") -> Any:
    """Return what a JSON file says. Raises OSError and ValueError."""
    return parsed(path.read_text(encoding=encoding))


def parsed(text: str) -> Any:
    """Return what a JSON text says.

    Raises ValueError, also where an object has a name twice, for deep nesting, and for half a character (an escaped
    surrogate on its own), which no file could be written with.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if SURROGATE.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{shown(name)} is there twice")
        found[name] = value
    return found


def made(kind: type[T], stated: Any) -> T:
    """Make a dataclass of an object's names and values. Raises ValueError where names or types are not its fields'."""
    if not isinstance(stated, Mapping):
        raise ValueError(f"{shown(stated)} is no object with the fields of a {kind.__name__}")
    hints, known = _hints(kind), {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    if other := [name for name in stated if name not in known]:
        raise ValueError(f"it has a field {shown(other[0])}, which is none of {kind.__name__}")
    needed = (one.name for one in known.values() if one.default is MISSING and one.default_factory is MISSING)
    demand(stated, {name: hints[name] for name in known}, set(known).difference(needed))
    return kind(**stated)


def demand(stated: Any, types: Mapping[str, Any], optional: Collection[str] = ()) -> None:
    """Raise ValueError for what is no object, a missing name, or a value of another type; other names are ignored."""
    if not isinstance(stated, Mapping):
        raise ValueError(f"{shown(stated)} is no object")
    if missing := [name for name in types if name not in stated and name not in optional]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    for name, kind in types.items():
        if name in stated and not fits(stated[name], kind):
            raise ValueError(f"{name} is {shown(stated[name])}, which is not {_words(kind)}")


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON has a type. An int is a float, and True is neither."""
    kind, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is Literal:
        return isinstance(value, str) and value in parts
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return isinstance(value, Mapping) and all(fits(n, parts[0]) and fits(v, parts[1]) for n, v in value.items())
    if isinstance(kind, type) and issubclass(kind, Sequence):
        return isinstance(value, list | tuple) and all(fits(one, parts[0]) for one in value)
    if hint is float:
        return is_number(value)
    if hint is int:
        return isinstance(value, int) and is_number(value)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    """A type as a user may read it."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_words(part) for part in get_args(hint))
    named = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    return named.get(hint, f"of type {hint}")
