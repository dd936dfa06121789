"""What a terminal's encoding cannot carry is spelled out: a tick mark ends no sweep.

Redirected output has the encoding of the system or of `PYTHONIOENCODING`, which may be ASCII, Latin-1 or a Windows code
page. Files are written as UTF-8 everywhere and need none of this.
"""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

WORDS = str.maketrans(
    dict(zip("✓✗·–—−×µμ•│─━╭╮╰╯†‡α", "+x----xuu*|--++++^#a", strict=True))
    | {"±": "+-", "…": "...", "→": "->", "≤": "<=", "≥": ">=", "≠": "!=", "°": " deg"}
)
HANDLER = "benchmarks.spelled"


def spell(text: str) -> str:
    """Text in ASCII: marks in words, letters without accents, and what is left as a question mark."""
    plain = unicodedata.normalize("NFKD", text.translate(WORDS))
    return "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spell(error.object[error.start : error.end]), error.end


def carry_everything() -> None:
    """From now on nothing that is printed can fail to be encoded, on stdout or stderr."""
    codecs.register_error(HANDLER, _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)
