"""Archives with members that want to be elsewhere, are no files, are too large, or are pickles of something else."""

from __future__ import annotations

import gzip
import io
import pickle
import stat
import tarfile
import zipfile
from random import Random

import numpy as np
from arrays import Evil
from bytewise import BYTEWISE, cut_anywhere, flip_a_bit, zero_a_range
from mutation import family

OUTSIDE = ("../OUTSIDE", "../../OUTSIDE", "a/../../OUTSIDE", "..\\OUTSIDE", "./../OUTSIDE", "a/../../../OUTSIDE/x")


def _members(raw: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(raw)) as old:
            return [(one, old.extractfile(one).read()) for one in old.getmembers() if one.isreg()]  # type: ignore[union-attr]
    except Exception:
        return []


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    with tarfile.open(fileobj=(out := io.BytesIO()), mode="w:gz") as new:
        for one, content in members:
            one.size = len(content)
            new.addfile(one, io.BytesIO(content))
    return out.getvalue()


def a_member_outside(raw: bytes, rng: Random) -> bytes:
    one = tarfile.TarInfo(rng.choice((*OUTSIDE, "/tmp/fuzz-OUTSIDE")))
    members = _members(raw)
    members.insert(rng.randrange(len(members) + 1), (one, b"written outside"))
    return _tar(members)


def a_link_outside(raw: bytes, rng: Random) -> bytes:
    """A link, and a member that is written through it."""
    link = tarfile.TarInfo("cifar-10-batches-py/link")
    link.type = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE))
    link.linkname = rng.choice(("../../..", "/tmp", "/etc/passwd", "test_batch", ".."))
    through = tarfile.TarInfo("cifar-10-batches-py/link/OUTSIDE")
    return _tar([(link, b""), (through, b"written outside"), *_members(raw)])


def a_member_of_another_kind(raw: bytes, rng: Random) -> bytes:
    members = _members(raw)
    if not members:
        return raw
    one, _ = rng.choice(members)
    kinds = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE)
    one.type, one.linkname = rng.choice(kinds), rng.choice((one.name, "/dev/zero", "../../secret"))
    return _tar([(m, b"" if m is one else content) for m, content in members])


def a_member_missing(raw: bytes, rng: Random) -> bytes:
    members = _members(raw)
    return _tar(rng.sample(members, len(members) - 1)) if members else raw


def a_member_twice(raw: bytes, rng: Random) -> bytes:
    members = _members(raw)
    return _tar([*members, *[(one, content[: len(content) // 2]) for one, content in members[:1]]])


def a_member_of_other_content(raw: bytes, rng: Random) -> bytes:
    members = _members(raw)
    if not members:
        return raw
    at = rng.randrange(len(members))
    change = rng.choice((cut_anywhere, flip_a_bit, zero_a_range, evil, another_pickle, another_pickle))
    members[at] = (members[at][0], change(members[at][1], rng))
    return _tar(members)


def evil(content: bytes, rng: Random) -> bytes:
    held = pickle.loads(content) if content[:1] == b"\x80" else {}
    return pickle.dumps(rng.choice(({**held, "evil": Evil()}, Evil(), {**held, "labels": Evil()})))


def another_pickle(content: bytes, rng: Random) -> bytes:
    held = pickle.loads(content)
    labels, data = held.get("labels", [0]), held.get("data", np.zeros((1, 3072), np.uint8))
    changed = rng.choice(
        (
            {"data": data.astype(np.float64)}, {"data": data[:, :-1]}, {"data": data[:-1]}, {"data": data.tolist()},
            {"labels": labels[:-1]}, {"labels": [99] * len(labels)}, {"labels": [-1] * len(labels)}, {"labels": "abc"},
            {"labels": [0.5] * len(labels)}, {"labels": None}, {"data": None}, {"labels": [True] * len(labels)},
            {"data": data.astype(object)}, {"labels": [2**70] * len(labels)},
        )
    )  # fmt: skip
    return pickle.dumps(rng.choice(({**held, **changed}, [held], held, {}, None, list(held))))


def a_bomb(raw: bytes, rng: Random) -> bytes:
    """Sixty-four megabytes of zeros under a name that is wanted, or not."""
    one = tarfile.TarInfo(rng.choice(("cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/zeros")))
    return _tar([(one, bytes(64 << 20)), *_members(raw)])


def not_compressed(raw: bytes, rng: Random) -> bytes:
    try:
        return gzip.decompress(raw)
    except Exception:
        return raw


def a_zip_instead(raw: bytes, rng: Random) -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w") as new:
        new.writestr("x", "y")
    return out.getvalue()


CIFAR = (
    *BYTEWISE,
    *2
    * family(
        (
            *(a_member_outside, a_link_outside, a_member_of_another_kind, a_member_missing, a_member_twice),
            *(a_member_of_other_content, a_member_of_other_content, a_bomb, not_compressed, a_zip_instead),
        )
    ),
)


def _zipped(raw: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as old:
            return {name: old.read(name) for name in old.namelist()}
    except Exception:
        return {}


def _zip(held: dict[str, bytes], *more: tuple[zipfile.ZipInfo | str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w", how) as new:
        for name, content in [*held.items(), *more]:
            new.writestr(name, content)
    return out.getvalue()


def an_entry_outside(raw: bytes, rng: Random) -> bytes:
    return _zip(
        _zipped(raw), (rng.choice((*OUTSIDE, "/tmp/fuzz-OUTSIDE", "C:\\OUTSIDE", "\\OUTSIDE")), b"written outside")
    )


def an_entry_that_links(raw: bytes, rng: Random) -> bytes:
    link = zipfile.ZipInfo("Train/0/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return _zip(
        _zipped(raw), (link, rng.choice((b"../../../..", b"/etc/passwd"))), ("Train/0/link/OUTSIDE", b"outside")
    )


def an_entry_of_another_kind(raw: bytes, rng: Random) -> bytes:
    device = zipfile.ZipInfo("Train/0/00009.bin")
    device.external_attr = (rng.choice((stat.S_IFCHR, stat.S_IFIFO, stat.S_IFBLK)) | 0o777) << 16
    return _zip(_zipped(raw), (device, b""))


def an_entry_with_an_odd_name(raw: bytes, rng: Random) -> bytes:
    names = (
        "Train/0/" + "x" * 300,
        "Train/0/a\nb.bin",
        "Train/0/\x1b[31m.bin",
        "Train/0",
        "/",
        ".",
        "Train/0/<b>.bin",
    )
    return _zip(_zipped(raw), (rng.choice(names), b"12345"))


def an_entry_missing(raw: bytes, rng: Random) -> bytes:
    held = _zipped(raw)
    return _zip({name: held[name] for name in rng.sample([*held], len(held) - 1)}) if held else raw


def otherwise_compressed(raw: bytes, rng: Random) -> bytes:
    return _zip(_zipped(raw), how=rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))


def an_unknown_compression(raw: bytes, rng: Random) -> bytes:
    """The method of every entry, in both headers, becomes one that nobody knows."""
    return raw.replace(b"PK\3\4\x14\0\0\0\0\0", b"PK\3\4\x14\0\0\0\x63\0").replace(
        b"PK\1\2\x14\3\x14\0\0\0\0\0", b"PK\1\2\x14\3\x14\0\0\0\x63\0"
    )


def encrypted(raw: bytes, rng: Random) -> bytes:
    return raw.replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0").replace(
        b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"
    )


def a_zip_bomb(raw: bytes, rng: Random) -> bytes:
    return _zip(_zipped(raw), ("Train/0/00007.bin", bytes(40 << 20)))


def more_than_the_disk(raw: bytes, rng: Random) -> bytes:
    """Sizes in the directory that no disk has: 2**32 - 2 bytes for many entries."""
    return raw.replace(b"\x05\x00\x00\x00\x05\x00\x00\x00", b"\x05\x00\x00\x00\xfe\xff\xff\xff")


ZIP = (
    *BYTEWISE,
    *2
    * family(
        (
            *(
                an_entry_outside,
                an_entry_that_links,
                an_entry_of_another_kind,
                an_entry_with_an_odd_name,
                an_entry_missing,
            ),
            *(otherwise_compressed, an_unknown_compression, encrypted, a_zip_bomb, more_than_the_disk),
        )
    ),
)
