"""Recordings of event cameras, written as their makers write them."""

from __future__ import annotations

import struct
from pathlib import Path


def write_bin(path: Path, of: list[tuple[int, int, int, int]]) -> None:
    """N-MNIST's format: x, y, then polarity in the top bit of 24 bits of time in microseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(struct.pack(">BBI", x, y, p << 23 | t)[:2] + struct.pack(">I", p << 23 | t)[1:]
                              for t, x, y, p in of))  # fmt: skip


def write_aedat4(path: Path, of: list[tuple[int, int, int, int]]) -> None:
    """AEDAT 4, not compressed: a header with one stream of events, and one packet of them, as flatbuffers."""
    info = b'<dv version="2.0"><node name="outInfo" path="/"><node name="0" path="/0/">'
    info += b'<attr key="compression" type="string">NONE</attr><attr key="typeIdentifier" type="string">EVTS</attr>'
    info += b'<node name="info" path="/0/info/"><attr key="sizeX" type="int">128</attr>'
    info += b'<attr key="sizeY" type="int">128</attr></node></node></node></dv>'
    text = struct.pack("<I", len(info)) + info + b"\0"
    # a table's offset, file identifier; vtable (size 10, table 20, fields at 4, 8, 16); table; string
    header = struct.pack("<I4sHHHHHxx", 20, b"IOHE", 10, 20, 4, 8, 16)
    header += struct.pack("<iiqI", 12, 0, -1, 4) + text
    packed = b"".join(struct.pack("<qhhb3x", t, x, y, p) for t, x, y, p in of)
    body = (
        struct.pack("<I4sHHHxx", 16, b"EVTS", 6, 8, 4) + struct.pack("<iI", 8, 4) + struct.pack("<I", len(of)) + packed
    )
    sized = struct.pack("<I", len(body)) + body
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header
                     + struct.pack("<ii", 0, len(sized)) + sized)  # fmt: skip


SOME = [(10, 5, 6, 1), (20, 7, 8, 0), (30, 127, 0, 1), (40, 0, 127, 0)]
