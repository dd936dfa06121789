"""One case: a file is damaged, a reader that users reach reads it, and what happened is judged.

refused     BadInput, in one printable line that names the file
unchanged   the answer of the undamaged files
changed     another answer, and the one that an independent reading of the damaged file gives
finding     anything else: a traceback, a warning, a hang, code from the file that ran, or another number
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from mutation import Mutation, damaged

from benchmarks.spec import BadInput

Kind = Literal["refused", "unchanged", "changed", "finding"]
LIMIT_SECONDS = 120
"""Of one reading: more is a hang, on a busy machine, too."""
LONGEST_LINE = 4000


class NoAnswer(Exception):
    """An independent reading of the damaged file finds no right answer: it has to be refused."""


Canonical = Callable[[bytes], bytes | None]
"""The content of a damaged file, read independently and written in the one form of an undamaged one.

None: the file counts as not there. Raises NoAnswer.
"""


def must_be_as_it_was(raw: bytes) -> bytes:
    """For files that a digest guards: no change of their content is right."""
    raise NoAnswer


@dataclass(frozen=True)
class Victim:
    """A file of a target, and how it is damaged.

    `canonical`: see above; `expected`: the right answer for a folder with the damaged file, where a canonical form does
    not say it. `names`: how a refusal may name it besides. `absent`: damaged beyond reading, it counts as not there.
    """

    path: str
    mutations: Sequence[Mutation]
    canonical: Canonical = must_be_as_it_was
    expected: Callable[[Path, bytes], Any] | None = None
    names: Sequence[str] = ()
    absent: bool = False


@dataclass(frozen=True)
class Target:
    """`files`: of an undamaged folder, by their paths; `read`: its answer, from the folder."""

    name: str
    files: Mapping[str, bytes]
    victims: Sequence[Victim]
    read: Callable[[Path], Any]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set while it reads; `{}` stands for its folder."""
    answers: dict[tuple[str, bytes | None], Any] = field(default_factory=dict)
    """Answers that are known, by the content of a victim."""


@dataclass(frozen=True)
class Outcome:
    kind: Kind
    target: str
    number: int
    mutation: str
    said: str = ""


@contextmanager
def at_most(seconds: int):
    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def variables(target: Target):
    """The target's environment; no command mirrors to MLflow or wraps lines."""
    before = dict(os.environ)
    own = {name: value.replace("{}", str(target.folder)) for name, value in target.environment.items()}
    os.environ.update(
        {"DSR_RESULTS": str(target.folder), "DSR_TRACKING": "off", "COLUMNS": "250", "NO_COLOR": "1", **own}
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def put(target: Target, changed: Mapping[str, bytes | None] | None = None) -> None:
    """The target's folder, as it is or with some other files; None: without one."""
    shutil.rmtree(target.folder, ignore_errors=True)
    target.folder.mkdir(parents=True)
    for path, content in {**target.files, **(changed or {})}.items():
        if content is None:
            continue
        place = target.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def case(target: Target, number: int, seed: int = 0) -> Outcome:
    """Carry one case out. The same number and seed make the same case."""
    rng = Random(f"{seed} {target.name} {number}")
    victim = rng.choice(target.victims)
    done = damaged(target.files[victim.path], victim.mutations, rng)
    what = f"{victim.path}: {done.names}"
    put(target, {victim.path: done.content})
    said, answer = _read(target)
    ran = list(target.folder.parent.glob("*RAN*"))
    for path in ran:
        path.unlink()
    if ran:
        return Outcome("finding", target.name, number, what, "code from the file was run")
    if isinstance(said, BadInput):
        return _refusal(target, victim, number, what, str(said), done.harmless)
    if said is not None:
        return Outcome("finding", target.name, number, what, str(said))
    return _judged(target, victim, number, what, answer, done.content, done.harmless)


def _read(target: Target) -> tuple[Any, Any]:
    """What went wrong, and the answer. A warning is printed over somebody's terminal, and so goes wrong."""
    try:
        with (
            at_most(LIMIT_SECONDS),
            warnings.catch_warnings(record=True) as warned,
            variables(target),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("always")
            answer = target.read(target.folder)
    except BadInput as error:
        return error, None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        passed = traceback.extract_tb(error.__traceback__)
        ours = [one for one in passed if not re.search("/tests/|site-packages|/lib/python", one.filename)] or passed
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:200]}", None
    told = [one for one in warned if not issubclass(one.category, DeprecationWarning | ResourceWarning)]
    return (f"warning: {told[0].category.__name__} {told[0].message}" if told else None), answer


def _refusal(target: Target, victim: Victim, number: int, what: str, line: str, harmless: bool) -> Outcome:
    names = [Path(victim.path).name, *victim.names]
    if not line.isprintable():
        return Outcome("finding", target.name, number, what, f"not one printable line: {line[:300]!r}")
    if len(line) > LONGEST_LINE:
        return Outcome("finding", target.name, number, what, f"a line of {len(line)} characters: {line[:200]!r}")
    if not any(name in line for name in names):
        return Outcome("finding", target.name, number, what, f"names no file: {line[:300]}")
    if harmless:
        return Outcome("finding", target.name, number, what, f"refused what is harmless: {line[:300]}")
    return Outcome("refused", target.name, number, what, line)


def _judged(target: Target, victim: Victim, number: int, what: str, answer: Any, raw: bytes, harmless: bool) -> Outcome:
    usual = usual_answer(target)
    same = _same(answer, usual)
    try:
        right = usual if harmless else _right(target, victim, raw)
    except NoAnswer as reason:
        right = usual if victim.canonical is must_be_as_it_was and not victim.expected else reason
    if isinstance(right, NoAnswer):
        return Outcome("finding", target.name, number, what, f"taken, though {right or 'it says nothing'}")
    if not _same(answer, right):
        return Outcome("finding", target.name, number, what, f"another answer: {_difference(answer, right)}")
    return Outcome("unchanged" if same else "changed", target.name, number, what)


def usual_answer(target: Target) -> Any:
    """The answer of the undamaged files."""
    if ("", None) not in target.answers:
        put(target)
        said, answer = _read(target)
        assert said is None, f"{target.name}: {said}"
        target.answers["", None] = answer
    return target.answers["", None]


def _right(target: Target, victim: Victim, raw: bytes) -> Any:
    if victim.expected:
        put(target, {victim.path: raw})  # other answers may have been asked for meanwhile
        return victim.expected(target.folder, raw)
    try:
        written = victim.canonical(raw)
    except NoAnswer:
        if not victim.absent:
            raise
        written = None
    if written is not None and written == victim.canonical(target.files[victim.path]):
        return usual_answer(target)
    if (victim.path, written) not in target.answers:
        put(target, {victim.path: written})
        said, answer = _read(target)
        right = NoAnswer(f"its content in another form is not: {said}") if said is not None else answer
        target.answers[victim.path, written] = right
    return target.answers[victim.path, written]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _in_one_spelling(one) == _in_one_spelling(other)
    return bool(one == other) or (one != one and other != other)


def _in_one_spelling(text: str) -> str:
    """Numbers of a text in one spelling: some answers repeat what stands in a file."""
    return re.sub(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", lambda found: f"{float(found[0]):.12g}", text)


def _difference(one: Any, other: Any, at: str = "") -> str:
    """The first place where two answers differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        return next(_difference(one[n], other[n], f"{at}.{n}") for n in one if not _same(one[n], other[n]))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return next(
            _difference(a, b, f"{at}[{n}]") for n, (a, b) in enumerate(zip(one, other, strict=True)) if not _same(a, b)
        )
    return f"{at} {str(one)[:150]!r}, not {str(other)[:150]!r}"
