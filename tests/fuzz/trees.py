"""What happens to JSON and TOML: other types, missing and extra names, too much, too deep, damaged text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from bytewise import cut_anywhere, delete_a_range, flip_a_bit, insert_a_block, overwrite_a_byte, zero_a_range
from mutation import Change, family

Read = Callable[[bytes], Any]
Write = Callable[[Any], bytes]
DEEP = 30_000
MARKUP = ("<script>alert(1)</script>", "[red]x[/]", "\x1b[31mred", "a\nb", "\ud800", "\0", "x" * 100_000, "../../x", "")


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all nodes below the root."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for name, node in inner for found in ((*path, name), *places(node, (*path, name)))]


def parent_of(tree: Any, path: tuple[Any, ...]) -> Any:
    for name in path[:-1]:
        tree = tree[name]
    return tree


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    return parent_of(tree, path)[path[-1]]


def another_type(value: Any, rng: Random) -> Any:
    others = [None, True, False, 0, 1, -1, 3.5, "", "text", str(value), [], {}, [value], {"value": value}, [[1, "a"]]]
    return rng.choice([other for other in others if type(other) is not type(value)])


def another_number(value: Any, rng: Random) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return rng.choice((-value, value + 1, value * 1000, value / 3, float(value), 0, -1, 2**63, 10**400, 1e300, 5e-324))


def no_number(value: Any, rng: Random) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return rng.choice((math.nan, math.inf, -math.inf, f"{value}", f"{value}".replace(".", ","), True))


def another_text(value: Any, rng: Random) -> Any:
    if not isinstance(value, str):
        return value
    return rng.choice((*MARKUP, value.upper(), value[::-1], value[:-1], f" {value}", f"{value}\n", "ann", "0" * 64))


VALUES = (another_type, another_number, no_number, another_text)


def nodes(read: Read, write: Write) -> list[Change]:
    """Mutations of a tree in a format that is read and written so."""

    def on_tree(change: Callable[[Any, Random], Any]) -> Change:
        def changed(raw: bytes, rng: Random) -> bytes:
            try:
                return write(change(deepcopy(read(raw)), rng))
            except (ValueError, RecursionError, TypeError):
                return raw

        changed.__name__ = change.__name__
        return changed

    def on_a_value(change: Callable[[Any, Random], Any]) -> Change:
        def on_one(tree: Any, rng: Random) -> Any:
            if not (found := places(tree)):
                return tree
            path = rng.choice(found)
            parent_of(tree, path)[path[-1]] = change(_at(tree, path), rng)
            return tree

        on_one.__name__ = change.__name__
        return on_tree(on_one)

    return [*map(on_a_value, VALUES), *map(on_tree, (missing, renamed, extra, swapped, doubled, inside_out))]


def missing(tree: Any, rng: Random) -> Any:
    if found := places(tree):
        path = rng.choice(found)
        del parent_of(tree, path)[path[-1]]
    return tree


def renamed(tree: Any, rng: Random) -> Any:
    if found := [path for path in places(tree) if isinstance(path[-1], str)]:
        path = rng.choice(found)
        parent = parent_of(tree, path)
        parent[rng.choice((path[-1].upper(), path[-1] + " ", path[-1][:-1] or "x", *map(str, parent)))] = parent.pop(
            path[-1]
        )
    return tree


def extra(tree: Any, rng: Random) -> Any:
    inside = [tree, *(_at(tree, path) for path in places(tree))]
    node = rng.choice([one for one in inside if isinstance(one, dict)] or [{}])
    node[rng.choice(("more", "__class__", "", "a\nb", "0"))] = rng.choice((1, "x", None, [], {}))
    return tree


def swapped(tree: Any, rng: Random) -> Any:
    """Two values of one kind change places."""
    if not (found := places(tree)):
        return tree
    one = rng.choice(found)
    alike = [
        path for path in found if type(_at(tree, path)) is type(_at(tree, one)) and path[: len(one)] != one != path
    ]
    alike = [path for path in alike if one[: len(path)] != path]
    if alike:
        other = rng.choice(alike)
        values = _at(tree, one), _at(tree, other)
        parent_of(tree, one)[one[-1]], parent_of(tree, other)[other[-1]] = values[1], values[0]
    return tree


def doubled(tree: Any, rng: Random) -> Any:
    """An entry of a list appears twice."""
    lists = [_at(tree, path) for path in places(tree) if isinstance(_at(tree, path), list)]
    lists = [one for one in [tree, *lists] if isinstance(one, list) and one]
    if lists:
        chosen = rng.choice(lists)
        chosen.insert(rng.randrange(len(chosen) + 1), deepcopy(rng.choice(chosen)))
    return tree


def inside_out(tree: Any, rng: Random) -> Any:
    return rng.choice(([tree], {"data": tree}, list(tree) if tree else [], None, "", 5, [[]], {}))


def named_twice(raw: bytes, rng: Random) -> bytes:
    """A name stands in an object twice, with another value."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(tree, dict) or not tree:
        return raw
    name = rng.choice([*tree])
    first = f"{{{json.dumps(name)}: {json.dumps(another_type(tree[name], rng))}, "
    return first.encode() + json.dumps(tree).encode()[1:]


def too_deep(raw: bytes, rng: Random) -> bytes:
    return rng.choice((b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[" * DEEP))


def too_deep_inside(raw: bytes, rng: Random) -> bytes:
    at = raw.find(b":", rng.randrange(len(raw) + 1))
    return raw if at < 0 else raw[: at + 1] + b"[" * DEEP + b"]" * DEEP + b"," + raw[at + 1 :]


def other_encodings(raw: bytes, rng: Random) -> bytes:
    text = raw.decode("utf-8", "replace").replace("a", "ä", 1)
    return text.encode(rng.choice(("latin-1", "utf-16", "utf-32", "utf-16-be")), "replace")


def comments(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b"\n", b" // so\n", 1)


def trailing_commas(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b"\n}", b",\n}").replace(b"\n]", b",\n]")


def spaced_otherwise(raw: bytes, rng: Random) -> bytes:
    try:
        return json.dumps(json.loads(raw), indent=rng.choice((None, 4, "\t"))).encode()
    except (ValueError, RecursionError):
        return raw


def names_reordered(raw: bytes, rng: Random) -> bytes:
    def shuffled(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: shuffled(tree[name]) for name in rng.sample([*tree], len(tree))}
        return [*map(shuffled, tree)] if isinstance(tree, list) else tree

    try:
        return json.dumps(shuffled(json.loads(raw))).encode()
    except (ValueError, RecursionError):
        return raw


def blank_space_around(raw: bytes, rng: Random) -> bytes:
    return b"\r\n " + raw.replace(b"\n", b"\r\n") + b" \t\r\n"


def _write_json(tree: Any) -> bytes:
    return json.dumps(tree, indent=1).encode()


DAMAGE = (cut_anywhere, flip_a_bit, overwrite_a_byte, zero_a_range, delete_a_range, insert_a_block, other_encodings)
JSON = family(
    [*2 * nodes(json.loads, _write_json), named_twice, too_deep, too_deep_inside, comments, trailing_commas, *DAMAGE],
    (spaced_otherwise, blank_space_around),
)
JSON_OF_NAMES = (*JSON, *family((), (names_reordered,)))
"""Where the order of names means nothing."""
