"""Downloads that go on where they were cut off, and count only once their checksum is right."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from benchmarks.files import partials
from benchmarks.files.addresses import masked
from benchmarks.spec import BadInput, one_line

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30.0

OnBytes = Callable[[int, int | None], None]


def download(url: str, to: Path, md5: str, on_bytes: OnBytes = lambda done, of: None) -> None:
    """Fetch `url` into the file `to`. What arrived before an interruption, in `to`.partial, is not asked for again.

    Raises BadInput in one line when the server cannot be reached or sends something else, and when there is no room;
    what arrived is then removed.
    """
    if to.is_file() and _md5(to) == md5:
        return
    partial = to.with_name(to.name + ".partial")
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        _receive(url, partial, on_bytes)
    except (OSError, HTTPException) as error:
        if failed := partials.failure(error, partial):
            partials.remove(partial)
            raise partials.refusal(to, failed) from error
        raise BadInput(
            f"{url} could not be downloaded ({masked(one_line(error))}); the same command goes on where it was"
        ) from error
    found = _md5(partial)
    if found != md5:
        partial.unlink()
        raise BadInput(f"{url} is not what it should be: MD5 {found}, expected {md5}; the file is deleted")
    partial.replace(to)


def _receive(url: str, partial: Path, on_bytes: OnBytes) -> None:
    there = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.request.HTTPError as error:
        if error.code == 416:  # nothing is left to ask for
            return
        raise
    with answer, partial.open("ab") as file:
        if answer.status != 206:  # the server sends all of it
            file.truncate(0)
            there = 0
        left = answer.headers.get("Content-Length")
        total = there + int(left) if left else None
        partials.demand_room(partial, int(left or 0))
        while chunk := answer.read(CHUNK_BYTES):
            file.write(chunk)
            there += len(chunk)
            on_bytes(there, total)
    if total is not None and there < total:
        raise OSError(f"the connection ended after {there:,} of {total:,} bytes")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
