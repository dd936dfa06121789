"""Compiles C files once per machine and loads them. Without a compiler, or AVX-512 or AVX2, torch is used instead.

Libraries are cached in `$XDG_CACHE_HOME/dsr-bench` (`~/.cache/dsr-bench`), named by a hash of source, compiler and
processor. `DSR_KERNELS=off` switches compilation off. Compiling takes about a second.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("spikes.c")
HEADERS = tuple(SOURCE.with_name(name) for name in ("lanes.h", "dense.h", "permutes.h", "rows.h"))
FLAGS = ("-O3", "-march=native", "-std=c11", "-shared", "-fPIC", "-fopenmp")


class Library(ctypes.CDLL):
    """A compiled C file. It can be copied and pickled with a network; unpickling compiles or loads the same source."""

    def __init__(self, compiled: Path, source: Path, headers: tuple[Path, ...]) -> None:
        super().__init__(str(compiled))
        self.sources = source, *headers

    def __deepcopy__(self, memo: dict[int, Any]) -> Library:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _reload, self.sources


def library() -> ctypes.CDLL | None:
    """Return the compiled spike kernels; None if they cannot be compiled (`reason()` says why)."""
    loaded, _ = load(SOURCE, *HEADERS)
    if loaded:
        loaded.lanes.restype = ctypes.c_int64
    return loaded


def instruction_set() -> str:
    """Return the instruction set of the compiled kernels, from the lanes of a register; empty without kernels."""
    return {16: "AVX-512", 8: "AVX2"}[loaded.lanes()] if (loaded := library()) else ""


def reason() -> str:
    """Say in one line why the kernels are not compiled; empty if they are."""
    return load(SOURCE, *HEADERS)[1]


@cache
def load(source: Path, *headers: Path) -> tuple[ctypes.CDLL | None, str]:
    """Compile and load a C file. Returns the library and "", or None and the reason in one line."""
    if os.environ.get("DSR_KERNELS") == "off":
        return None, "DSR_KERNELS=off"
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        return None, "no C compiler (cc, gcc or clang)"
    try:
        return _loaded(compiler, source, headers), ""
    except (OSError, subprocess.SubprocessError) as error:
        return None, _first_error(error)


def _reload(*sources: Path) -> ctypes.CDLL | None:
    return library() if sources == (SOURCE, *HEADERS) else load(*sources)[0]


def _loaded(compiler: str, source: Path, headers: tuple[Path, ...]) -> Library:
    """Load a library; one that cannot be loaded (after a power cut, for example) is compiled again, once."""
    path = _built(compiler, source, headers)
    try:
        return Library(path, source, headers)
    except OSError:
        path.unlink()
        return Library(_built(compiler, source, headers), source, headers)


def _built(compiler: str, source: Path, headers: tuple[Path, ...]) -> Path:
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=60).stdout
    texts = [file.read_bytes() for file in (source, *headers)]
    made_of = (*texts, version, " ".join(FLAGS).encode(), _processor().encode())
    name = hashlib.sha256(b"\0".join(made_of)).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dsr-bench"
    target = folder / f"{source.stem}-{name}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            partial = Path(scratch) / target.name
            command = [compiler, *FLAGS, str(source), "-o", str(partial)]
            subprocess.run(command, capture_output=True, check=True, timeout=300, encoding="utf-8", errors="replace")
            partial.replace(target)
    return target


def _processor() -> str:
    """Describe what `-march=native` depends on."""
    try:
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("flags")
        )
    except (OSError, StopIteration):
        flags = ""
    return f"{platform.machine()} {platform.processor()} {flags}"


def _first_error(error: Exception) -> str:
    output = getattr(error, "stderr", None) or str(error)
    lines = [line for line in str(output).splitlines() if "error" in line] or str(output).splitlines() or [repr(error)]
    return lines[0].strip()
