"""Claims on runs: one of several gets a run, the dead are followed, sleepers find that they cannot write any more."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock

from benchmarks.files import claims, clock, filesystems, owners, partials
from benchmarks.files.claims import LOCK, OWNER, Claim, Claims
from benchmarks.files.filesystems import Manner
from benchmarks.runs.record import replacing, write_whole
from benchmarks.spec import BadInput

MANY = 12
KINDS = ("flock", "directory")


@pytest.fixture(autouse=True)
def own_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "fences", {})


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Claims]]:
    """Makes claims of a kind, as a launcher of its own would have them, on a results folder with one run."""
    (tmp_path / "run").mkdir()
    with ExitStack() as all_of_them:

        def one(kind: str = "directory") -> Claims:
            monkeypatch.setenv("DSR_CLAIMS", kind)
            return all_of_them.enter_context(Claims(tmp_path))

        yield one


def sign(claim: Claim, **changes: object) -> None:
    """Let a claim be somebody else's."""
    found = claims.holder(claim.place)
    assert found is not None
    assert found.owner is not None
    (claim.fence / OWNER).write_text(replace(found.owner, **changes).text())  # type: ignore[arg-type]


def age(claim: Claim, seconds: float) -> None:
    """Let a claim's last sign of life be so long ago."""
    now = clock.now(claim.place)
    for path in (claim.fence / OWNER, claim.fence):
        os.utime(path, (now - seconds, now - seconds))


def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def race(contenders: list[Claims], place: Path) -> list[Claim]:
    """The claims of those that get a run when all try at once."""
    barrier = threading.Barrier(len(contenders))

    def contend(one: Claims) -> Claim | None:
        barrier.wait()
        return one.take(place)

    with ThreadPoolExecutor(len(contenders)) as threads:
        return [claim for claim in threads.map(contend, contenders) if claim]


@pytest.mark.parametrize("kind", [*KINDS, "mixed"])
def test_one_of_several_gets_a_run_and_what_is_released_leaves_nothing(
    kind: str, several: Callable[..., Claims], tmp_path: Path
) -> None:
    contenders = [several(KINDS[i % 2] if kind == "mixed" else kind) for i in range(MANY)]
    for _ in range(10):
        (winner,) = race(contenders, tmp_path / "run")
        assert not race([one for one in contenders if winner not in one.held.values()], tmp_path / "run")
        assert winner.is_held()
        (owner,) = (one for one in contenders if winner in one.held.values())
        owner.release(winner)
        assert {path.name for path in (tmp_path / "run").iterdir()} <= {LOCK}


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_several_takes_over_the_run_of_a_process_that_died(
    kind: str, several: Callable[..., Claims], tmp_path: Path
) -> None:
    contenders = [several(kind) for _ in range(MANY)]
    for _ in range(10):
        (first,) = race(contenders, tmp_path / "run")
        (first.fence / "left").touch()
        sign(first, pid=dead())
        if first.lock is not None:
            os.close(first.lock)
        (second,) = race(contenders, tmp_path / "run")
        assert second.is_held()
        assert not first.is_held()
        assert [path.name for path in second.fence.iterdir()] == [OWNER]
        for one in contenders:
            one.held.clear()
        contenders[0].release(second)


def test_nobody_takes_over_from_a_process_that_is_about_to_take_over(
    several: Callable[..., Claims], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (several() for _ in range(3))
    claim = first.take(tmp_path / "run")
    assert claim is not None
    sign(claim, machine="elsewhere")
    age(claim, claims.LEASE_SECONDS + 1)
    original, signed = Claims._sign, list[Path]()

    def sign_slowly(self: Claims, fence: Path, claim: Claim) -> None:
        assert third.take(claim.place) is None or not signed
        signed.append(fence)
        original(self, fence, claim)

    monkeypatch.setattr(second, "_sign", sign_slowly.__get__(second))
    monkeypatch.setattr(third, "_sign", lambda *words: pytest.fail("it is alive") if signed else os.stat("/nowhere"))
    assert second.take(claim.place)
    assert len(signed) == 2


def test_the_living_are_left_alone_and_other_machines_until_their_lease_is_over(
    several: Callable[..., Claims], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = several(), several()
    claim = first.take(tmp_path / "run")
    assert claim is not None
    sign(claim, machine="elsewhere", pid=dead())
    assert second.take(claim.place) is None
    age(claim, claims.LEASE_SECONDS - 30)
    monkeypatch.setattr(time, "time", lambda: 1e12)  # what a machine's own clock says is nothing to claims
    assert second.take(claim.place) is None
    sign(claim, lease=60.0)
    age(claim, 30)
    assert second.take(claim.place) is None
    age(claim, 90)
    assert second.take(claim.place), "the lease is the owner's own"


def test_a_claim_that_cannot_be_read_is_free_after_a_lease(several: Callable[..., Claims], tmp_path: Path) -> None:
    claim = several().take(tmp_path / "run")
    assert claim is not None
    (claim.fence / OWNER).write_text("")
    assert several().take(claim.place) is None
    age(claim, claims.LEASE_SECONDS + 1)
    second = several().take(claim.place)
    assert second is not None
    (second.fence / OWNER).unlink()
    assert several().take(claim.place) is None
    os.utime(second.fence, (1, 1))
    assert several().take(claim.place)


def test_a_number_that_another_process_has_now_is_a_dead_owner() -> None:
    me = owners.this_process(0.0, 1.0, "flock", "ext4")
    assert not me.is_gone()
    assert replace(me, ticks="1").is_gone()
    assert replace(me, pid=dead()).is_gone()
    assert not replace(me, machine="elsewhere", ticks="1").is_gone()
    assert owners.read(me.text()) == me
    assert owners.read("") is owners.read("{}") is owners.read("[1]") is None


def test_whoever_has_lost_a_run_can_neither_write_nor_remove_anything_in_it(
    several: Callable[..., Claims], tmp_path: Path
) -> None:
    first, second = several(), several()
    claim = first.take(tmp_path / "run")
    assert claim is not None
    fence = partials.fences[claim.place]
    write_whole(claim.place / "result", "first")
    assert (claim.place / "result").read_text() == "first"

    def write_and_lose_it_meanwhile() -> None:
        with replacing(claim.place / "half") as file:
            file.write("half")
            sign(claim, machine="elsewhere")
            age(claim, claims.LEASE_SECONDS + 1)
            assert second.take(claim.place)
            write_whole(claim.place / "result", "second")

    with pytest.raises(BadInput, match="half cannot be written: No such file"):
        write_and_lose_it_meanwhile()
    partials.fences[claim.place] = fence  # what the first process still believes
    with pytest.raises(BadInput, match="result cannot be written: No such file"):
        write_whole(claim.place / "result", "first again")
    with pytest.raises(FileNotFoundError):
        partials.withdraw(claim.place / "result")
    assert (claim.place / "result").read_text() == "second"
    assert not (claim.place / "half").exists()
    assert not claim.is_held()
    first.release(claim)
    assert claims.holder(claim.place), "releasing what one has lost does nothing"


def test_a_file_is_withdrawn_with_and_without_a_fence(several: Callable[..., Claims], tmp_path: Path) -> None:
    for fenced in (False, True):
        if fenced:
            several().take(tmp_path / "run")
        (tmp_path / "run" / "a").touch()
        for _ in range(2):
            partials.withdraw(tmp_path / "run" / "a")
            assert not (tmp_path / "run" / "a").exists()


@pytest.mark.parametrize(("first", "second"), [KINDS, KINDS[::-1]])
def test_each_kind_respects_the_other(first: str, second: str, several: Callable[..., Claims], tmp_path: Path) -> None:
    claim = several(first).take(tmp_path / "run")
    assert claim is not None
    other = several(second)
    assert other.take(claim.place) is None
    sign(claim, machine="elsewhere")
    assert other.take(claim.place) is None
    age(claim, claims.LEASE_SECONDS + 1)
    assert other.take(claim.place)


def test_a_lock_alone_is_respected_and_one_that_is_free_says_that_its_owner_has_died(
    several: Callable[..., Claims], tmp_path: Path
) -> None:
    lock = FileLock(tmp_path / "run" / LOCK)  # as earlier versions hold it
    one = several("flock")
    with lock:
        assert one.take(tmp_path / "run") is None
    claim = one.take(tmp_path / "run")
    assert claim is not None
    assert claim.lock is not None
    os.close(claim.lock)
    sign(claim, machine="elsewhere", filesystem="nfs4")
    assert several("flock").take(claim.place) is None, "the same folder on another file system has other locks"
    sign(claim, machine="elsewhere", filesystem=several("flock").manner.filesystem)
    assert several("flock").take(claim.place)


def test_an_owner_gives_signs_of_life(several: Callable[..., Claims], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DSR_LEASE", "1")
    claim = several().take(tmp_path / "run")
    assert claim is not None
    age(claim, 1000)
    end = time.monotonic() + 60
    while not claims.is_taken(claim.place, clock.Clock(tmp_path)):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("text", ["0.5", "ten", "nan", "1e9"])
def test_a_lease_is_a_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSR_LEASE", text)
    with pytest.raises(BadInput, match=f"DSR_LEASE must be a number of seconds from 1 to 86400, not '{text}'"):
        claims.lease()


TABLE = """\
/dev/a / ext4 rw 0 0
server:/x /data nfs4 rw,vers=4.2 0 0
/dev/b /data/local xfs rw 0 0
mds:/l /lustre lustre rw,flock 0 0
mds:/m /lustre/other lustre rw,localflock 0 0
me@host:/ /with\\040space fuse.sshfs rw 0 0
/dev/a /twice ext4 rw 0 0
//smb/x /twice cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind", "filesystem"),
    [
        ("/results", "flock", "ext4"),
        ("/data/results", "directory", "nfs4"),
        ("/data2", "flock", "ext4"),
        ("/data/local/results", "flock", "xfs"),
        ("/lustre/results", "flock", "lustre"),
        ("/lustre/other/results", "directory", "lustre"),
        ("/with space/results", "directory", "fuse.sshfs"),
        ("/twice", "directory", "cifs"),
    ],
)
def test_locks_are_trusted_on_file_systems_that_keep_them(
    folder: str, kind: str, filesystem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(TABLE)
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(filesystems, "fault_of_locks", lambda folder: "")
    why = f"locks are not trusted on a file system of type {filesystem}" if kind == "directory" else ""
    assert filesystems._manner.__wrapped__(Path(folder), "") == Manner(kind, filesystem, why)  # type: ignore[arg-type]


def test_where_nothing_is_said_of_file_systems_or_locks_fail_directories_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manner = filesystems._manner.__wrapped__
    assert filesystems.fault_of_locks(tmp_path) == ""
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(filesystems, "SECOND_PROCESS", "")
    assert filesystems.fault_of_locks(tmp_path) == "two processes can hold one lock"
    monkeypatch.setattr(filesystems, "mounted", lambda folder: ("ext4", frozenset()))
    assert manner(tmp_path, "").why == "locks do not work: two processes can hold one lock"
    with pytest.raises(BadInput, match=r"DSR_CLAIMS=flock: locks do not work in .* \(two processes can hold one lock"):
        manner(tmp_path, "flock")

    def none(*words: object) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    assert manner(tmp_path, "").why == "locks do not work: No locks available"
    monkeypatch.undo()
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "nothing")
    assert manner(tmp_path, "") == Manner("directory", "", "locks are not trusted where the file system is not known")
    assert manner(tmp_path, "directory").why == "DSR_CLAIMS says so"
    assert manner(tmp_path, "flock").kind == "flock"
    with pytest.raises(BadInput, match="DSR_CLAIMS must be flock or directory, not 'lock'"):
        manner(tmp_path, "lock")
