"""A network's weights on the disk, read so that damage is noticed and nothing from outside is run.

torch does not compare the checksums in its own files, so that a flipped bit would be a weight of another value: they
are compared here. Nothing but tensors, numbers, texts and their containers is read (`weights_only`).
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measurement import digests
from benchmarks.runs import store
from benchmarks.spec import BadInput, one_line


def read(path: Path, device: torch.device, sha256: str | None = None) -> dict[str, Tensor]:
    """Read tensors by name; `sha256`: the digest that a result says they have, if it is known.

    Raises BadInput for a file that is damaged, holds something else, or has other weights.
    """
    try:
        found = unpacked(path, device)
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise ValueError("it does not hold tensors by name")
        digest = digests.of_state(found)
    except Exception as error:  # torch raises half a dozen kinds for a file that is damaged or cut short
        raise BadInput(f"{path} is damaged, or holds no weights ({cause(error)})") from error
    if sha256 is not None and digest != sha256:
        raise BadInput(f"{path} has weights of SHA-256 {digest[:12]}..., and {store.RESULT} says {sha256[:12]}...")
    return found


def give(network: nn.Module, path: Path, device: torch.device, sha256: str | None = None) -> dict[str, Tensor]:
    """Load such weights into a network, and return them. Raises BadInput as `read` does, and for another network's."""
    found = read(path, device, sha256)
    try:
        network.load_state_dict(found)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadInput(f"{path} has the weights of another network ({cause(error)})") from error
    return found


def unpacked(path: Path, device: torch.device) -> Any:
    """What `torch.save` wrote. Raises all kinds of errors for a file that is damaged."""
    with zipfile.ZipFile(path) as packed:
        if wrong := packed.testzip():
            raise ValueError(f"the checksum of {wrong} is wrong")
    return torch.load(path, map_location=device, weights_only=True)


def cause(error: Exception) -> str:
    """An error's kind and its first sentence: torch's go on for a page."""
    return f"{type(error).__name__}: {one_line(error).partition('. ')[0]}"[:200]
