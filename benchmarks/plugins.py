"""Methods from outside this repository: from files that `DSR_METHODS` names, and from other installed packages.

`DSR_METHODS` is a file, or a folder of them. `my_lif.py` with `METHOD = Method(...)` adds the method `my-lif`; with
`METHODS = {"my-lif": Method(...), "my-ann": Method(...)}` it adds those. Beside it, `_*.py` are modules that it
imports, and `_*.c` and the like what these compile: they are part of its code. A package names its methods as entry
points of the group `dsr_bench.methods`. Standard library only; a plug-in itself imports what it likes.
`benchmarks.catalogue` loads plug-ins when a name is asked for that is not built in.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from benchmarks.files import partials
from benchmarks.spec import BadInput, one_line

GROUP, VARIABLE = "dsr_bench.methods", "DSR_METHODS"
CODE = (".py", ".c", ".h", ".cpp", ".cu", ".cuh")


class PlugIn(NamedTuple):
    """A method and its source: `origin` is a file or an entry point's value, `code` the source's hash, 12 digits."""

    name: str
    origin: str
    method: Any
    code: str

    def __str__(self) -> str:
        return f"method plug-in {self.name!r} ({self.origin})"


_LOADING: list[bool] = []


def loaded() -> list[PlugIn]:
    """All plug-ins. Raises BadInput for one that cannot be loaded, or reads METHODS meanwhile."""
    if _LOADING:
        raise BadInput("a plug-in may not read benchmarks.methods.METHODS while plug-ins are loaded; BUILT_IN it may")
    _LOADING.append(True)
    try:
        return list(_loaded())
    finally:
        _LOADING.clear()


def _loaded() -> Iterator[PlugIn]:
    for point in entry_points(group=GROUP):
        try:
            yield PlugIn(point.name, point.value, point.load(), _hash(_sources(point)))
        except Exception as error:
            raise _unloadable(f"{point.name!r} ({point.value})", error) from error
    for path in _files():
        try:
            module, code = _module(path), _hash([path, *_beside(path.parent)])
        except Exception as error:
            raise _unloadable(str(path), error) from error
        for name, method in _made(module, path).items():
            yield PlugIn(name, str(path), method, code)


def _unloadable(what: str, error: Exception) -> BadInput:
    return BadInput(f"method plug-in {what} cannot be loaded: {type(error).__name__}: {one_line(error)}")


def _files() -> list[Path]:
    named = os.environ.get(VARIABLE)
    if not named:
        return []
    path = Path(named).resolve()
    if path.is_file():
        return [path]
    files = sorted(p for p in path.glob("*.py") if not p.name.startswith(("_", ".")))
    if not files:
        raise BadInput(f"{VARIABLE} must name a Python file or a folder of Python files, not {named}")
    return files


def _module(path: Path) -> ModuleType:
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: a file called `json.py` must not be everybody's
    spec = importlib.util.spec_from_file_location(f"dsr_bench_methods_{path.stem}", path)
    assert spec, "not the name of a Python file"
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _made(module: ModuleType, path: Path) -> Mapping[str, Any]:
    if hasattr(module, "METHOD"):
        return {path.stem.replace("_", "-"): module.METHOD}
    made = getattr(module, "METHODS", None)
    if not isinstance(made, Mapping) or not made:
        raise BadInput(f"method plug-in {path} must make METHOD, a Method, or METHODS, Methods by name")
    return made


def _sources(point: EntryPoint) -> list[Path]:
    """A package's source files, or a module's one."""
    spec = importlib.util.find_spec(point.module.partition(".")[0])
    if spec is None:
        return []
    inside = [p for folder in spec.submodule_search_locations or () for p in _code(Path(folder))]
    return inside or ([Path(spec.origin)] if spec.origin else [])


def _beside(folder: Path) -> Iterable[Path]:
    """The source files that plug-ins of a folder share: those whose names begin with `_`."""
    return [path for path in folder.glob("_*") if path.suffix in CODE and path.is_file()]


def _code(folder: Path) -> Iterable[Path]:
    """A folder's source files, without an editor's copies in `.ipynb_checkpoints`."""
    return [path for path in partials.seen(folder, "*", deep=True) if path.suffix in CODE]


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
