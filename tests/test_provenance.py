"""Which commit code is of, and what git says where it does not tell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.cli import commands, doctor, notices
from benchmarks.cli.arguments import Request
from benchmarks.export.rows import Exported
from benchmarks.measurement import provenance
from benchmarks.regression import rows
from benchmarks.spec import BadInput

UNKNOWN = provenance.Code("unknown", None)


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Code in an empty folder that no setting says a commit of."""
    monkeypatch.setattr(provenance, "_asked", provenance._asked.__wrapped__)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for name in ("DSR_COMMIT", "GIT_DIR", "GIT_TEST_ASSUME_DIFFERENT_OWNER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def git(place: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(place), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(place: Path) -> str:
    (place / "code.py").write_text("a = 1")
    git(place, "init")
    git(place, "add", ".")
    git(place, "commit", "-m", "code")
    return git(place, "rev-parse", "HEAD")


def test_a_checkout_a_shallow_one_and_a_worktree_tell_their_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first := tmp_path / "sp ace ünï").mkdir()
    head = committed(first)
    git(first, "worktree", "add", str(tmp_path / "worktree"))
    git(tmp_path, "clone", "--depth", "1", first.as_uri(), "shallow")
    for place in (first, tmp_path / "worktree", tmp_path / "shallow"):
        monkeypatch.setattr(provenance, "ROOT", place)
        assert (provenance.code(), provenance.trouble()) == (provenance.Code(head, False), ""), place
    (first / "code.py").write_text("a = 2")
    monkeypatch.setattr(provenance, "ROOT", first)
    assert provenance.code() == provenance.Code(head, True)


def test_a_repository_that_git_distrusts_is_said_in_gits_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("LANGUAGE", "de")
    assert provenance.code() == UNKNOWN
    assert f"detected dubious ownership in repository at '{tmp_path}'" in provenance.trouble()
    assert f"git config --global --add safe.directory {tmp_path}" in provenance.trouble()
    assert "\n" not in provenance.trouble()
    ((mark, _, text),) = doctor._code()
    assert (mark, "dubious ownership" in text) == ("note", True)
    with pytest.raises(BadInput, match=r"no rows to compare with .*dubious ownership"):
        rows.of_commit("HEAD")


def test_no_checkout_no_commit_and_a_bare_repository_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (provenance.code(), "not a git repository" in provenance.trouble()) == (UNKNOWN, True)
    for place, words, said in (
        ("empty", ["init"], "fatal: Needed a single revision"),
        ("bare", ["init", "--bare"], "must be run in a work tree"),
    ):
        (tmp_path / place).mkdir()
        git(tmp_path / place, *words)
        monkeypatch.setattr(provenance, "ROOT", tmp_path / place)
        assert (provenance.code(), said in provenance.trouble()) == (UNKNOWN, True), provenance.trouble()


def test_code_inside_somebody_elses_checkout_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init")
    (inside := tmp_path / "lib" / "dsr").mkdir(parents=True)
    monkeypatch.setattr(provenance, "ROOT", inside)
    assert provenance.code() == UNKNOWN
    assert provenance.trouble() == f"{inside} is not a git checkout but a folder inside another one, {tmp_path}"


def test_without_git_and_with_one_that_hangs_there_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.code() == UNKNOWN
    assert provenance.trouble() == "git cannot be called (No such file or directory)"
    (tmp_path / "git").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setattr(provenance, "GIT_SECONDS", 0.2)
    assert provenance.trouble() == f"git rev-parse in {tmp_path} takes longer than 0.2 s"


def test_a_commit_that_is_named_counts_where_git_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_COMMIT", "0123456789abcdef")
    assert provenance.code() == provenance.Code("0123456789abcdef", None)
    ((mark, _, text),) = doctor._code()
    assert (mark, text.startswith("0123456789, says DSR_COMMIT; fatal: not a git repository")) == ("ok", True)


def test_what_is_not_exported_says_whether_its_code_was_changed_or_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(record=True, width=400)
    notices.code(console, provenance.code())
    monkeypatch.setattr(commands.rows, "export", lambda *_: Exported(tmp_path, 0, 3, 0, unknown=1))
    assert commands._export(Request("quick", "", "laptop", ()), tmp_path, console) == 3
    said = console.export_text()
    assert "no commit of this code is known, so rows beyond smoke scale will not be exported: fatal: not a git" in said
    assert "2 not exported: their code was not committed when they ran" in said
    assert (
        "1 not exported: no commit of their code was known when they ran (DSR_COMMIT may name it); now: fatal" in said
    )
