"""What is done to a file's bytes, and whether every reader has to bear it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

Change = Callable[[bytes, Random], bytes]
SECOND = 0.15
"""Share of cases in which a second mutation follows the first."""


@dataclass(frozen=True)
class Mutation:
    """`harmless`: the file still says the same in a form that readers have to accept."""

    name: str
    change: Change
    harmless: bool = False


def family(damage: Iterable[Change], harmless: Iterable[Change] = ()) -> tuple[Mutation, ...]:
    """Mutations named after their functions."""
    found = [(change, False) for change in damage] + [(change, True) for change in harmless]
    return tuple(Mutation(change.__name__.replace("_", " "), change, kind) for change, kind in found)


@dataclass(frozen=True)
class Damaged:
    """A file's bytes after some mutations, and their names."""

    content: bytes
    names: str
    harmless: bool


def damaged(content: bytes, mutations: Sequence[Mutation], rng: Random) -> Damaged:
    """Apply one mutation, sometimes two. One that finds nothing to change gives way to another."""
    chosen: list[Mutation] = []
    changed = content
    for _ in range(2 if rng.random() < SECOND else 1):
        for _ in range(50):
            mutation = rng.choice(mutations)
            after = mutation.change(changed, rng)
            if after != changed:
                changed = after
                chosen.append(mutation)
                break
    return Damaged(changed, ", ".join(m.name for m in chosen), all(m.harmless for m in chosen))
