"""A slice of the fuzzing campaign, which `tox -e fuzz` carries out whole, and what the campaign has to find."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import cases
import pytest
import targets_of_archives
import targets_of_data
import targets_of_recordings
import targets_of_settings
from campaign import line, main, table, turns
from cases import NoAnswer, Outcome, Target, Victim, case
from mutation import family

from benchmarks.spec import BadInput

SEED = 1
CASES = 3
"""Of every quick target in the ordinary tests."""


def another_letter(raw: bytes, rng: Random) -> bytes:
    return b"b"


DAMAGE, HARMLESS = family((another_letter,)), family((), (another_letter,))


def said_of(read: Callable[[Path], Any], folder: Path, mutations: Any = DAMAGE, **victim: Any) -> Outcome:
    """What is said of a reader of one file whose letter, `a`, becomes another."""
    damaged = Victim("a.txt", mutations, **{"canonical": lambda raw: raw, **victim})
    return case(Target("letters", {"a.txt": b"a"}, [damaged], read, folder / "letters"), 0)


def letter(folder: Path) -> str:
    return (folder / "a.txt").read_text()


def refusing(line: str) -> Callable[[Path], Any]:
    """A reader that refuses any letter but `a`."""

    def read(folder: Path) -> str:
        if letter(folder) != "a":
            raise BadInput(line)
        return "a"

    return read


def test_damaged_settings_and_data_are_refused_or_read_right(tmp_path: Path) -> None:
    data = (targets_of_data, targets_of_recordings, targets_of_archives)
    quick = [*targets_of_settings.of_tables(tmp_path), *(one for part in data for one in part.targets(tmp_path))]
    found = [case(target, number, SEED) for number in range(CASES) for target in quick]
    assert [line(one) for one in found if one.kind == "finding"] == []
    assert {"refused", "unchanged", "changed"} <= {one.kind for one in found}


@pytest.mark.slow
def test_a_round_of_the_campaign_finds_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--cases", "60", "--seed", "5", "--to", str(tmp_path / "figures.json")]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.startswith("seed 5\n")
    assert '"cases": 60' in (tmp_path / "figures.json").read_text()


@pytest.mark.slow
def test_every_target_has_its_turn_and_reads_its_undamaged_files(tmp_path: Path) -> None:
    found = turns(tmp_path)
    assert {name: number for name, number in Counter(one.name for one in found).items() if number not in (1, 6)} == {}
    for target in {target.name: target for target in found}.values():
        cases.usual_answer(target)


def test_a_refusal_has_one_line_that_names_the_file(tmp_path: Path) -> None:
    assert said_of(refusing("a.txt is no a"), tmp_path).kind == "refused"
    for wrong, why in (("that is no a", "names no file"), ("a.txt:\nno a", "not one printable line")):
        found = said_of(refusing(wrong), tmp_path)
        assert found.kind == "finding"
        assert why in found.said


def test_a_harmless_change_must_not_be_refused(tmp_path: Path) -> None:
    found = said_of(refusing("a.txt is no a"), tmp_path, HARMLESS)
    assert (found.kind, found.said) == ("finding", "refused what is harmless: a.txt is no a")
    assert said_of(lambda folder: letter(folder).replace("b", "a"), tmp_path, HARMLESS).kind == "unchanged"


def test_an_answer_must_be_what_an_independent_reading_gives(tmp_path: Path) -> None:
    assert said_of(letter, tmp_path).kind == "changed"
    assert said_of(lambda folder: "a", tmp_path, expected=lambda folder, raw: "a").kind == "unchanged"
    found = said_of(letter, tmp_path, expected=lambda folder, raw: "c")
    assert (found.kind, found.said) == ("finding", "another answer:  'b', not 'c'")


def test_what_an_independent_reading_refuses_must_not_be_taken(tmp_path: Path) -> None:
    def nothing(raw: bytes) -> bytes:
        if raw != b"a":
            raise NoAnswer("b is no letter")
        return raw

    found = said_of(letter, tmp_path, canonical=nothing)
    assert (found.kind, found.said) == ("finding", "taken, though b is no letter")


def test_tracebacks_warnings_hangs_and_code_that_ran_are_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(folder: Path) -> Any:
        return {"a": 1}[letter(folder)]

    def warn(folder: Path) -> str:
        warnings.warn("odd", stacklevel=1)
        return letter(folder)

    def hang(folder: Path) -> str:
        time.sleep(30 if letter(folder) == "b" else 0)
        return letter(folder)

    def run(folder: Path) -> str:
        (folder.parent / "RAN").touch()
        return letter(folder)

    monkeypatch.setattr(cases, "LIMIT_SECONDS", 1)
    told = [said_of(read, tmp_path) for read in (crash, warn, hang, run)]
    assert [one.kind for one in told] == ["finding"] * 4
    for one, why in zip(told, ("KeyError at ", "warning: UserWarning odd", "TimeoutError", "code from"), strict=True):
        assert one.said.startswith(why)


def test_a_case_depends_on_seed_target_and_number_alone(tmp_path: Path) -> None:
    target = targets_of_settings.of_tables(tmp_path)[0]
    assert case(target, 3, SEED) == case(target, 3, SEED)
    assert len({case(target, number, SEED).mutation for number in range(8)}) > 1


def test_the_table_counts_every_kind() -> None:
    outcomes = [
        Outcome("refused", "one", 0, ""),
        Outcome("finding", "one", 1, "", "bad"),
        Outcome("changed", "two", 0, ""),
    ]
    lines = [" ".join(text.split()) for text in table(outcomes, Counter({"one": 3.0, "two": 0.5}))]
    assert lines == [
        "cases refused unchanged changed finding s a case",
        "one 2 1 1 1.50",
        "two 1 1 0.50",
        "all 3 1 0 1 1",
    ]
