"""`dsr-bench doctor`: what is installed, what works, and one line on how to fix what does not."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.files import addresses
from benchmarks.spec import BadInput

NEEDED = ("torch", "torchvision", "pandas", "scikit-learn")
OPTIONAL = {
    "mlflow": "runs are kept on disk only",
    "tonic": "no event data",
    "safetensors": "no dsr-bench card",
    "nir": "no dsr-bench card",
    "submitit": "no sweep --launcher slurm",
    "fvcore": "one cross-check is skipped",
}

Finding = tuple[str, str, str]
"""Mark ("ok", "note" or "bad"), subject, and what there is to say."""

STYLE = {"ok": "green", "note": "yellow", "bad": "red"}


def report(console: Console) -> int:
    """Print every finding; 1 if anything needed is broken."""
    findings = [
        finding
        for examine in (
            _versions,
            _torchvision,
            _device,
            _energy,
            _kernels,
            _precision,
            _methods,
            _code,
            _places,
            _claims,
        )
        for finding in examine()
    ]
    for mark, subject, text in findings:
        console.print(f" [{STYLE[mark]}]{mark:<4}[/] {subject:<12} {escape(text)}", highlight=False, soft_wrap=True)
    return int(any(mark == "bad" for mark, _, _ in findings))


def _versions() -> Iterator[Finding]:
    yield "ok", "python", platform.python_version()
    for name in (*NEEDED, *OPTIONAL):
        try:
            yield "ok", name, version(name)
        except PackageNotFoundError:
            yield (
                ("bad", name, "not installed") if name in NEEDED else ("note", name, f"not installed: {OPTIONAL[name]}")
            )


def _torchvision() -> Iterator[Finding]:
    try:
        import torchvision  # noqa: F401

        yield "ok", "torchvision", "can be imported"
    except RuntimeError:
        text = "its build does not match torch's; data sets still work. Install both from one index to fix it"
        yield "note", "torchvision", text
    except ImportError as error:
        yield "bad", "torchvision", f"cannot be imported: {error}"


def _device() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        yield "ok", "device", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    else:
        yield "ok", "device", f"no GPU; {torch.get_num_threads()} CPU threads"


def _energy() -> Iterator[Finding]:
    import torch

    from benchmarks.measurement import joules

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if source := joules.meter(device).source:
        yield "ok", "energy", f"counted by {source}"
    else:
        yield "note", "energy", f"joules of training stay empty: {joules.missing(device)}"


def _kernels() -> Iterator[Finding]:
    from benchmarks.methods import kernels_for, kernels_missing

    if why := kernels_missing():
        yield "note", "kernels", f"DSR runs in plain torch, several times slower on a CPU: {why}"
    else:
        yield "ok", "kernels", f"compiled spike kernels ({kernels_for()})"


def _precision() -> Iterator[Finding]:
    from benchmarks.measurement import convolutions

    yield _try("bfloat16", convolutions.described)


def _methods() -> Iterator[Finding]:
    from benchmarks.catalogue import from_outside

    for one in from_outside().values():
        yield "ok", "method", f"{one.name}, from {one.origin}, code {one.code}"


def _code() -> Iterator[Finding]:
    from benchmarks.measurement.provenance import code, trouble

    head, dirty = code()
    if dirty is None and head == "unknown":
        what = "rows beyond smoke scale cannot be exported, unless DSR_COMMIT names the commit"
        yield "note", "code", f"no commit is known: {what}; {trouble()}"
    elif dirty is None:
        yield "ok", "code", f"{head[:10]}, says DSR_COMMIT; {trouble()}"
    else:
        yield ("note", "code", f"{head[:10]} with uncommitted changes") if dirty else ("ok", "code", head[:10])


def _places() -> Iterator[Finding]:
    from benchmarks.data import packed
    from benchmarks.runs.store import results_root

    named = "DSR_DATA" if os.environ.get("DSR_DATA") else "DSR_DATA is not set"
    yield _try("data", lambda: f"{packed.root()} ({named}): {_sets(packed.root())}")
    yield _try("results", lambda: f"{results_root()}, {shutil.disk_usage(results_root()).free / 1e9:.0f} GB free")
    yield "ok", "mlflow", addresses.masked(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite in the results folder")


def _claims() -> Iterator[Finding]:
    from benchmarks.files import claims, filesystems
    from benchmarks.runs.store import results_root

    try:
        manner, lease = filesystems.manner(results_root()), claims.lease()
    except BadInput as error:
        yield "bad", "claims", str(error)
        return
    free = f"runs of a machine that died are free after {lease:g} s"
    if manner.kind == "flock":
        yield "ok", "claims", f"by locks (flock) on {manner.filesystem}"
    else:
        yield "note", "claims", f"by directories, because {manner.why}; {free}"


def _sets(root: Path) -> str:
    from benchmarks.cli import datasets

    return ", ".join(datasets.there(root))


def _try(subject: str, describe: Callable[[], str]) -> Finding:
    try:
        return "ok", subject, describe()
    except BadInput as error:
        return "bad", subject, str(error)
