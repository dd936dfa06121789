"""Damage to numpy's and torch's files: pickles inside, other types and shapes, missing members; and to any bytes."""

from __future__ import annotations

import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch
from bytewise import BYTEWISE
from mutation import Change, family
from trees import parent_of, places

MARK: list[str] = []
"""The file that code from a pickle would make, set by the campaign."""


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (os.path.join(MARK[0] if MARK else "/tmp", "RAN"), "w"))


def _pickled(value: Any, protocol: int = 4) -> bytes:
    return pickle.dumps(value, protocol)


def another_array(value: np.ndarray, rng: Random) -> Any:
    """Of another type, another shape, or with other values."""
    size = value.size
    return rng.choice(
        (
            lambda: value.astype(np.float32),
            lambda: value.astype(np.int16),
            lambda: value.astype(np.complex64),
            lambda: value.astype("S4"),
            lambda: value.astype(object),
            lambda: value.astype(value.dtype.newbyteorder()),
            lambda: value.reshape(-1)[: size // 2],
            lambda: value[None],
            lambda: np.zeros((0,), value.dtype),
            lambda: np.zeros((), value.dtype),
            lambda: np.full_like(value, 255),
            lambda: np.concatenate([value.reshape(-1)] * 2),
            lambda: np.array([Evil()], dtype=object),
            lambda: np.zeros(3, dtype=[("a", "u1"), ("b", "O")]),
            lambda: value.astype(np.float64) * np.nan,
        )
    )()


def a_member_changed(raw: bytes, rng: Random) -> bytes:
    return _members(raw, rng, lambda name, value: {name: another_array(value, rng)})


def a_member_missing(raw: bytes, rng: Random) -> bytes:
    return _members(raw, rng, lambda name, value: {})


def a_member_renamed(raw: bytes, rng: Random) -> bytes:
    return _members(raw, rng, lambda name, value: {rng.choice((name.upper(), "../evil", "x", "")): value})


def a_member_more(raw: bytes, rng: Random) -> bytes:
    return _members(raw, rng, lambda name, value: {name: value, "more": np.arange(5)})


def _members(raw: bytes, rng: Random, change: Callable[[str, np.ndarray], dict[str, Any]]) -> bytes:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            held = {name: stored[name] for name in stored.files}
        chosen = rng.choice([*held])
        changed = change(chosen, held.pop(chosen))
        np.savez_compressed(out := io.BytesIO(), **{**held, **changed})
    except Exception:  # what an earlier mutation has left may be anything
        return raw
    return out.getvalue()


def a_pickle_instead(raw: bytes, rng: Random) -> bytes:
    return _pickled(rng.choice((Evil(), {"a": Evil()}, np.arange(3), [Evil()])), rng.choice((2, 4)))


def one_array_instead(raw: bytes, rng: Random) -> bytes:
    np.save(out := io.BytesIO(), np.arange(10))
    return out.getvalue()


def pickled_array_instead(raw: bytes, rng: Random) -> bytes:
    np.save(out := io.BytesIO(), np.array([Evil()], dtype=object), allow_pickle=True)
    return out.getvalue()


def stored_otherwise(raw: bytes, rng: Random) -> bytes:
    """The same members, and a zip file with other bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as old:
            held = {name: old.read(name) for name in old.namelist()}
    except Exception:
        return raw
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_STORED) as new:
        for name, content in held.items():
            new.writestr(name, content)
    return out.getvalue()


PREDICTIONS = (
    *BYTEWISE,
    *family(
        (
            *(a_member_changed, a_member_missing, a_member_renamed, a_member_more, a_pickle_instead, one_array_instead),
            *(pickled_array_instead, stored_otherwise),
        )
    ),
)


def _header(change: Callable[[str, Random], str]) -> Change:
    """A mutation of the dictionary in an .npy file's header."""

    def changed(raw: bytes, rng: Random) -> bytes:
        found = re.match(rb"\x93NUMPY\x01\x00(..)(\{.*?\})( *\n)", raw, re.DOTALL)
        if not found:
            return raw
        length = len(found[2]) + len(found[3])
        text = change(found[2].decode("latin-1"), rng).encode("latin-1", "replace")
        text = text.ljust(length - 1)[: max(length - 1, len(text))] + b"\n"
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + raw[found.end() :]

    changed.__name__ = change.__name__
    return changed


def another_shape(text: str, rng: Random) -> str:
    numbers = re.findall(r"\d+", text[text.index("shape") :])
    if not numbers:
        return text
    old = rng.choice(numbers)
    new = rng.choice(("0", "1", str(int(old) * 2), str(int(old) + 1), "-1", "9" * 12, "9" * 25, "3.0", "'3'", ""))
    at = text.index("shape")
    return text[:at] + text[at:].replace(old, new, 1)


def another_type(text: str, rng: Random) -> str:
    new = rng.choice(
        ("'|O'", "'<f4'", "'>u2'", "'|i1'", "'|S3'", "'<U1'", "'|V1'", "[('a', '|u1')]", "'x'", "5", "None")
    )
    return re.sub(r"('descr': )[^,]+", lambda found: found[1] + new, text)


def other_order(text: str, rng: Random) -> str:
    return text.replace("False", "True")


def no_dictionary(text: str, rng: Random) -> str:
    return rng.choice(("{", "[]", "None", "__import__('os')", "{'descr': '|u1'}", "'" * 20, "\0" * 10, "(" * 300))


def rows_swapped(raw: bytes, rng: Random) -> bytes:
    return _array(raw, lambda a: a[::-1])


def fewer(raw: bytes, rng: Random) -> bytes:
    return _array(raw, lambda a: a[:-1])


def of_another_kind(raw: bytes, rng: Random) -> bytes:
    return _array(raw, lambda a: another_array(a, rng))


def a_value_changed(raw: bytes, rng: Random) -> bytes:
    def changed(a: np.ndarray) -> np.ndarray:
        a = a.copy()
        a.reshape(-1)[rng.randrange(a.size)] = rng.choice((0, 1, 9, 10, 100, 127))
        return a

    return _array(raw, changed)


def _array(raw: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    try:
        value = change(np.load(io.BytesIO(raw), allow_pickle=False))
        np.save(out := io.BytesIO(), value, allow_pickle=True)
    except Exception:
        return raw
    return out.getvalue()


ARRAY = (
    *BYTEWISE,
    *family(
        (
            *map(_header, (another_shape, another_type, other_order, no_dictionary)),
            *(rows_swapped, fewer, of_another_kind, a_value_changed, a_pickle_instead, pickled_array_instead),
        )
    ),
)


def _state(change: Callable[[Any, Random], Any]) -> Change:
    """A mutation of what torch.save has written."""

    def changed(raw: bytes, rng: Random) -> bytes:
        try:
            state = torch.load(io.BytesIO(raw), weights_only=True)
            torch.save(change(state, rng), out := io.BytesIO())
        except Exception:
            return raw
        return out.getvalue()

    changed.__name__ = change.__name__
    return changed


def another_entry(tree: Any, rng: Random) -> Any:
    path = rng.choice(places(tree))
    parent = parent_of(tree, path)
    value = parent[path[-1]]
    if isinstance(value, torch.Tensor):
        others = (
            lambda: value.double(), lambda: value.half(), lambda: value.flatten()[:-1], lambda: value[None],
            lambda: torch.full_like(value, torch.nan) if value.is_floating_point() else value + 1, lambda: value + 1,
            lambda: value.to_sparse(), lambda: None, lambda: 3.5, lambda: "text", lambda: torch.zeros(0),
            lambda: value.bool(), lambda: value.flatten()[0],
        )  # fmt: skip
        parent[path[-1]] = rng.choice(others)()
    else:
        parent[path[-1]] = rng.choice(
            (None, 0, -1, 1.5, "text", [], {}, [1, 2], torch.zeros(2), True, 10**9, float("nan"))
        )
    return tree


def an_entry_missing(tree: Any, rng: Random) -> Any:
    path = rng.choice(places(tree))
    del parent_of(tree, path)[path[-1]]
    return tree


def an_entry_renamed(tree: Any, rng: Random) -> Any:
    path = rng.choice([path for path in places(tree) if isinstance(path[-1], str)])
    parent = parent_of(tree, path)
    parent[rng.choice((path[-1] + "x", "", *map(str, parent)))] = parent.pop(path[-1])
    return tree


def an_entry_more(tree: Any, rng: Random) -> Any:
    tree[rng.choice(("more", "stem.layer.weight2"))] = torch.zeros(3)
    return tree


def two_entries_swapped(tree: Any, rng: Random) -> Any:
    one, other = rng.sample(places(tree), 2)
    a, b = parent_of(tree, one), parent_of(tree, other)
    a[one[-1]], b[other[-1]] = b[other[-1]], a[one[-1]]
    return tree


def another_tree(tree: Any, rng: Random) -> Any:
    return rng.choice(([tree], {"state_dict": tree}, None, torch.zeros(3), "text", {}, [], 5))


def a_pickle_inside(tree: Any, rng: Random) -> Any:
    return rng.choice((Evil(), {**tree, "evil": Evil()}, {"evil": [Evil()]}, torch.nn.Linear(2, 2)))


def an_old_pickle(raw: bytes, rng: Random) -> bytes:
    """torch's format from before 1.6."""
    torch.save({"evil": Evil()}, out := io.BytesIO(), _use_new_zipfile_serialization=False)
    return out.getvalue()


CHECKPOINT = (
    *BYTEWISE,
    *BYTEWISE,
    *family((*map(_state, (an_entry_missing, another_tree, a_pickle_inside)), an_old_pickle, a_pickle_instead)),
)
"""A checkpoint has no digest beside its archive's checksums: tensors that somebody edited are not noticed."""
STATE = (
    *CHECKPOINT,
    *family(map(_state, (another_entry, an_entry_renamed, an_entry_more, two_entries_swapped))),
)
"""Weights have one, in the result of their run."""
