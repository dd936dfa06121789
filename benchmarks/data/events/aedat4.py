"""Checks the outline of an AEDAT 4 file before the file is decoded: whether it has all its packets.

    #!AER-DAT4.0\\r\\n   length   IOHeader   { stream, length, packet } ...   table of the packets

Numbers are little-endian, of four bytes. The header (a flatbuffer) says where the table begins, or -1 if there is none.
The decoder ends its process for some lengths and for a description of the streams that is not UTF-8, and takes a file
that ends between two packets for a whole one.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MAGIC = b"#!AER-DAT4.0\r\n"
TABLE_POSITION, DESCRIPTION = 1, 2
"""Numbers of fields of IOHeader: where the table begins, and the streams in XML."""


def check(path: Path) -> None:
    """Raise ValueError, or struct.error, for a file whose packets do not end where they have to."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("it does not begin as an AEDAT 4 file")
        (length,) = struct.unpack("<I", file.read(4))
        if length > size:
            raise ValueError("it ends inside its header")
        header = file.read(length)
        _check_description(header)
        position = _table_position(header)
        end = size if position < 0 else position
        if end > size:
            raise ValueError(f"it has {size} bytes, and its header says that packets end at {end}")
        at = _behind_packets(file, end)
    if at != end:
        raise ValueError(f"its last packet ends at byte {at}, not at {end}")


def _behind_packets(file: IO[bytes], end: int) -> int:
    """The first byte that belongs to no packet."""
    at = file.tell()
    while at < end:
        _, length = struct.unpack("<ii", file.read(8))
        if length < 0:
            raise ValueError(f"the packet at byte {at} has a length of {length}")
        at = file.seek(at + 8 + length)
    return at


def _table_position(header: bytes) -> int:
    """Where the table of the packets begins; -1, the default, if there is none."""
    place = _place(header, TABLE_POSITION)
    return int(struct.unpack_from("<q", header, place)[0]) if place else -1


def _check_description(header: bytes) -> None:
    """Raise ValueError for a description of the streams that is no text."""
    if place := _place(header, DESCRIPTION):
        start = place + struct.unpack_from("<I", header, place)[0]
        (length,) = struct.unpack_from("<I", header, start)
        header[start + 4 : start + 4 + length].decode()


def _place(header: bytes, field: int) -> int:
    """Where a field of a flatbuffer is. Its table names a list of offsets, 0 for a field that is at its default."""
    (table,) = struct.unpack_from("<I", header, 0)
    (back,) = struct.unpack_from("<i", header, table)
    fields = table - back
    (length,) = struct.unpack_from("<H", header, fields)
    place = 4 + 2 * field
    offset = struct.unpack_from("<H", header, fields + place)[0] if length > place else 0
    return table + offset if offset else 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing reach the terminal meanwhile: the decoder, which is compiled, prints a page before it fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
