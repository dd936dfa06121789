"""Claims on run directories: one launcher at a time works on a run, whatever file system they share.

    RUN/.claim/TOKEN/owner.json     TOKEN: a random name; owner.json: who has claimed the run

A claim is prepared under another name and renamed to `.claim`. A rename does not replace a directory that is not empty,
so only one of several processes succeeds. The owner touches `owner.json` now and then. If it has not done so for the
time of its lease, or is known to have died, others may take the run over by renaming TOKEN. Only one of them succeeds,
because the old name is gone then. Partial files of a run are written in TOKEN (`partials.fences`), so an owner that
has slept through its lease cannot finish any file.

Where locks are trusted (`filesystems`), the owner also holds a lock on `RUN/.lock`. Then nobody takes a run over while
its process exists, and the run of a process that has died is free at once. Owners with and without a lock both make
the directory, and respect each other's.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.files import filesystems, owners, partials
from benchmarks.files.clock import Clock
from benchmarks.files.owners import Owner
from benchmarks.spec import BadInput

LOCK, CLAIM, OWNER = ".lock", ".claim", "owner.json"
LEASE, LEASE_SECONDS = "DSR_LEASE", 600.0
BEATS = 20
"""How often an owner gives a sign of life in the time of its lease."""
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)


@dataclass(frozen=True)
class Claim:
    """A claim of this process on the run in `place`. `lock`: the descriptor that holds the lock; None without locks."""

    place: Path
    token: str
    lock: int | None

    @property
    def fence(self) -> Path:
        """A folder that exists as long as nobody has taken the run over."""
        return self.place / CLAIM / self.token

    def is_held(self) -> bool:
        """Whether nobody has taken the run over."""
        return self.fence.exists()


@dataclass(frozen=True)
class Holder:
    """What is known of a claim: its owner (None: unreadable) and the time of its last sign of life."""

    token: str
    owner: Owner | None
    alive: float


class Claims:
    """The claims of one launcher on runs of a results folder. A thread gives the signs of life."""

    def __init__(self, results: Path) -> None:
        self.manner, self.clock, self.lease = filesystems.manner(results), Clock(results), lease()
        self.held: dict[Path, Claim] = {}
        self.over = threading.Event()
        self.heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Claims:
        self.heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        for claim in [*self.held.values()]:
            self.release(claim)
        self.heart.join(timeout=1.0)  # a file system that hangs may hold the thread up

    def take(self, place: Path) -> Claim | None:
        """Claim the run in an existing directory; None if another process has it. Raises BadInput if that fails."""
        try:
            lock = _locked(place / LOCK) if self.manner.kind == "flock" else None
            if lock is None and self.manner.kind == "flock":
                return None
            claim = Claim(place, secrets.token_hex(8), lock)
            self.held[place] = claim  # already now, so that it is released even if this is interrupted
            found = holder(place)
            if self._take_over(claim, found) if found else self._put(claim):
                partials.fences[place] = claim.fence
                _tidy(claim)
                return claim
        except OSError as error:
            raise partials.refusal(place / CLAIM, error) from error
        self._forget(claim)
        return None

    def release(self, claim: Claim) -> None:
        """Give a claim up: others may take the run."""
        if partials.fences.get(claim.place) == claim.fence:
            del partials.fences[claim.place]
        aside = claim.place / f"{CLAIM}.{claim.token}"
        with suppress(OSError):
            claim.fence.rename(aside)  # at once, whatever is in it
            (claim.place / CLAIM).rmdir()
        shutil.rmtree(aside, ignore_errors=True)
        self._forget(claim)

    def _forget(self, claim: Claim) -> None:
        if self.held.get(claim.place) == claim:
            del self.held[claim.place]
        if claim.lock is not None:
            with suppress(OSError):
                os.close(claim.lock)

    def _put(self, claim: Claim) -> bool:
        """Claim a free run. False: another process was faster, and may have removed what this one prepared."""
        aside = claim.place / f"{CLAIM}.{claim.token}"
        try:
            (aside / claim.token).mkdir(parents=True)
            (aside / claim.token / OWNER).write_text(self._owner().text(), encoding="utf-8")
            with suppress(OSError):
                (claim.place / CLAIM).rmdir()  # an empty one, which some file systems would not replace
            aside.rename(claim.place / CLAIM)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            if error.errno in (*OCCUPIED, *GONE) or (claim.place / CLAIM).exists():
                return False
            raise
        return True

    def _take_over(self, claim: Claim, found: Holder) -> bool:
        """Take a claim over if its owner is dead. False: the owner is not, or another process was faster."""
        if not self._is_dead(found, claim):
            return False
        old = claim.place / CLAIM / found.token
        try:
            self._sign(old, claim)  # from now on the claim looks alive to all others
            old.rename(claim.fence)
            self._sign(claim.fence, claim)
        except OSError as error:
            if error.errno in GONE:
                return False
            raise
        return True

    def _is_dead(self, found: Holder, claim: Claim) -> bool:
        """Whether the owner of a claim no longer works on the run.

        An owner on the same file system that uses locks held the lock that this process holds now, so it has ended.
        """
        owner, ours = found.owner, ("flock", self.manner.filesystem)
        held_our_lock = claim.lock is not None and owner is not None and (owner.kind, owner.filesystem) == ours
        return held_our_lock or not lives(found, self.clock)

    def _sign(self, fence: Path, claim: Claim) -> None:
        """Write into a claim that this process is its owner."""
        partial = fence / f".{OWNER}.{claim.token}"
        partial.write_text(self._owner().text(), encoding="utf-8")
        partial.replace(fence / OWNER)

    def _owner(self) -> Owner:
        return owners.this_process(self.clock.now(), self.lease, self.manner.kind, self.manner.filesystem)

    def _beat(self) -> None:
        while not self.over.wait(self.lease / BEATS):
            for claim in [*self.held.values()]:
                with suppress(OSError):  # if it is gone, the run's process will find that it cannot write
                    os.utime(claim.fence / OWNER)


def holder(place: Path) -> Holder | None:
    """Who has claimed the run in a directory, dead or alive; None if nobody has."""
    try:
        token = next(iter(os.listdir(place / CLAIM)), "")
        if not token:
            return None
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    fence, written = place / CLAIM / token, None
    try:
        written = fence.stat().st_mtime  # when the run's process last began a file: a sign of life, too
        with (fence / OWNER).open(encoding="utf-8") as file:  # opened: a stat alone may be an old one
            return Holder(token, owners.read(file.read()), max(written, os.fstat(file.fileno()).st_mtime))
    except OSError as error:
        if error.errno in GONE:
            return None if written is None else Holder(token, None, written)
        raise


def lives(found: Holder, clock: Clock) -> bool:
    """Whether the owner of a claim seems to be alive: it is not known to have ended, and its lease has not expired."""
    if found.owner is None:
        return clock.now() - found.alive <= lease()
    return not found.owner.is_gone() and clock.now() - found.alive <= found.owner.lease


def is_taken(place: Path, clock: Clock) -> bool:
    """Whether somebody works on the run in a directory, as far as one can see."""
    found = holder(place)
    return found is not None and lives(found, clock)


def lease() -> float:
    """Seconds from the last sign of life of a process to the moment when others may take its run over."""
    text = os.environ.get(LEASE) or str(LEASE_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= 86_400.0:
        raise BadInput(f"{LEASE} must be a number of seconds from 1 to 86400, not {text!r}")
    return seconds


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock of a file; None if another process holds it."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def _tidy(claim: Claim) -> None:
    """Remove what was left by processes that died while they made a claim, or while they owned this one."""
    for entry in os.scandir(claim.place):
        if entry.name.startswith(f"{CLAIM}."):
            shutil.rmtree(entry.path, ignore_errors=True)
    for entry in os.scandir(claim.fence):
        if entry.name != OWNER:
            partials.remove(Path(entry.path))
