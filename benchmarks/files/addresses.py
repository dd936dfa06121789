"""Addresses of databases and servers: URIs of SQLite files, files of URIs, and texts without their secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

HIDDEN = "***"
END = r"""\s"'<>"""
"""Characters that end an address in a text."""

SECRETS = (
    # user:password@, user@ and token@ behind //, up to the last @ or %40, because passwords may contain / ? # and @;
    # not if the path begins at once, as in sqlite:////home/me@work
    (rf"//(?=[^/{END}])(?:[^/?#{END}]*(?:@|%40)|[^/?#{END}]*:[^{END}]*(?:@|%40))", f"//{HIDDEN}@"),
    # an address inside an address
    (rf"(?i)%2F%2F(?!%2F)[^/{END}]*?%40", f"%2F%2F{HIDDEN}%40"),
    # without a scheme, or with one slash too few
    (rf"(?<![\w/%*.])[^/:@?=({END}]+:[^/@{END}\\][^/@{END}]*@(?=\w)", f"{HIDDEN}@"),
    (rf"(?<=\w:)/(?!/)[^/{END}]*:[^/{END}]*@", f"/{HIDDEN}@"),
    # queries and fragments
    (rf"(\w:/[^?#{END}]*)\?[^{END})]+", rf"\1?{HIDDEN}"),
    (rf"\?[^=?{END}]+=[^{END})]+", f"?{HIDDEN}"),
    (rf"(\w://[^#{END}]*)#[^{END})]*=[^{END})]*", rf"\1#{HIDDEN}"),
)
"""What is hidden in a word; the time that they take grows with a power of its length."""
HEADER = r"(?i)\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{8,}"
WORD = re.compile(rf"[^{END}]+")
SUSPECT = re.compile(r"[@?#]|%40")
"""What every address with a secret contains."""
LONGEST = 2_000
"""Characters of a word that is searched."""


SECRET_VARIABLES = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS?|(API|ACCESS|PRIVATE)_?KEY)$", re.IGNORECASE)
"""Names of environment variables whose values no text may show."""
LEAST_CHARACTERS = 6
"""Of a value that is hidden: a shorter one would be hidden in ordinary words."""


def masked(text: str) -> str:
    """Hide users, passwords and queries of all addresses in a text, and the values of secret environment variables.

    A blank ends an address. A word of more than `LONGEST` characters that might be one is hidden as a whole.
    """
    for value in _secret_values():
        text = text.replace(value, HIDDEN)
    return re.sub(HEADER, rf"\1 {HIDDEN}", WORD.sub(_masked_word, text))


def _masked_word(found: re.Match[str]) -> str:
    word = found[0]
    if not SUSPECT.search(word):
        return word
    if len(word) > LONGEST:
        return HIDDEN
    for secret, replacement in SECRETS:
        word = re.sub(secret, replacement, word)
    return word


def _secret_values() -> list[str]:
    """Values of secret environment variables, as they are and as addresses quote them; the longest first."""
    values = {value for name, value in os.environ.items() if SECRET_VARIABLES.search(name)}
    long = {value for value in values if len(value) >= LEAST_CHARACTERS}
    return sorted(long | {quote(value, safe="") for value in long}, key=len, reverse=True)


def of_file(path: Path) -> str:
    """Return the URI of a SQLite database in a file of any name. SQLAlchemy decodes %3F only from 2.1 on."""
    plain, quoted = f"sqlite:///{path}", f"sqlite+pysqlite:///{quote(str(path))}"
    try:
        from sqlalchemy.engine import make_url
    except ImportError:
        return plain
    fitting = (uri for uri in (plain, quoted) if make_url(uri).database == str(path) and not make_url(uri).query)
    return next(fitting, f"sqlite+pysqlite:///file:{quote(str(path))}?uri=true")


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite URI; None for any other store and for a database in memory."""
    if not uri.startswith("sqlite"):
        return None
    try:
        from sqlalchemy.engine import make_url

        name = make_url(uri).database or ""
    except ImportError:
        name = uri.partition(":///")[2]
    if name.startswith("file:"):
        name = unquote(name.removeprefix("file:"))
    return None if is_in_memory(uri) or not name else Path(name)


def is_in_memory(uri: str) -> bool:
    """Whether a SQLite URI names no file, so that the database ends with the process."""
    name = unquote(uri.partition(":///")[2])
    return uri.startswith("sqlite") and (not name or ":memory:" in name or "mode=memory" in name)
