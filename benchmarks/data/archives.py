"""Archives that were downloaded: only plain files inside the folder are unpacked, and no pickle runs code.

A member that would be written elsewhere (`../x`, `/x`, `C:\\x`), a link or a device makes the whole archive a bad one.
"""

from __future__ import annotations

import lzma
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from benchmarks.files import partials
from benchmarks.spec import BadInput, one_line, shown

LARGEST_MEMBER_BYTES = 1 << 28
"""Of a tar archive's members that are read into memory; CIFAR's largest has 155 MB."""
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, KeyError, IndexError),
)
"""What the standard library raises for a damaged archive, an encrypted one, or one of an unknown kind."""
PLAIN = (
    *(("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")),
    *(("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")),
)
"""All that CIFAR's pickles name: how numpy arrays are made of bytes."""


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    """Raise BadInput, which names the archive, for a damaged one."""
    try:
        yield
    except BadInput:
        raise
    except DAMAGE as error:
        raise BadInput(
            f"{path} is a damaged archive ({one_line(error)}): delete it to have it fetched again"
        ) from error
    except OSError as error:
        if error.filename is None and error.errno is None:  # gzip's and zipfile's own
            raise BadInput(
                f"{path} is a damaged archive ({one_line(error)}): delete it to have it fetched again"
            ) from error
        raise


def unzip(archive: Path, to: Path) -> None:
    """Unpack a zip archive into a folder. Raises BadInput for a damaged archive, and before anything is written for one
    that would write elsewhere, or more than there is room for; OSError where writing fails.
    """
    with _opened(archive), zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            _demand_inside(member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), archive)
        partials.demand_room(to, sum(member.file_size for member in members))
        opened.extractall(to)


def pickles(archive: Path, names: Collection[str]) -> dict[str, Any]:
    """Read the pickles of these names in a tar archive, without unpacking it; what is missing is left out.

    Raises BadInput for a damaged archive or pickle, for members that would be written elsewhere, and for pickles that
    hold anything but arrays, numbers, texts and their containers.
    """
    found = {}
    with _opened(archive), tarfile.open(archive) as opened:
        for member in opened:
            _demand_inside(member.name, member.isreg() or member.isdir(), archive)
            if member.name in names:
                file = opened.extractfile(member) if member.size <= LARGEST_MEMBER_BYTES else None
                if file is None:
                    raise BadInput(f"{archive}: {shown(member.name)} is no file, or is too large")
                found[member.name] = _unpickled(file, f"{archive}: {shown(member.name)}")
    return found


def _demand_inside(name: str, is_plain: bool, archive: Path) -> None:
    """Raise BadInput for a member that is neither a file nor a folder, or whose name leads out of the folder."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.anchor or ".." in posix.parts or ".." in windows.parts
    if outside or not is_plain or not posix.parts:
        raise BadInput(f"{archive}: its member {shown(name)} is no file inside the folder; nothing of it is used")


class _Arrays(pickle.Unpickler):
    """An unpickler that makes numpy arrays and plain values, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PLAIN:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)


def _unpickled(file: IO[bytes], where: str) -> Any:
    try:
        return _Arrays(file, encoding="latin1").load()
    except (OSError, MemoryError) as error:
        raise BadInput(f"{where} cannot be read ({one_line(error)})") from error
    except Exception as error:  # a damaged pickle raises whatever its arrays raise
        raise BadInput(f"{where} is no pickle of arrays and plain values ({one_line(error)})") from error
