"""Digests of a network's weights and of a training's state: equal for equal tensors, whatever the file format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def of_state(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a `state_dict()`: every tensor's name, type, shape and bytes, in order."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        _add(digest, name, tensor)
    return digest.hexdigest()


def of_tree(tree: Any) -> str:
    """Return the SHA-256 of dictionaries and lists of tensors, numbers, texts, truth values and None, in order."""
    digest = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            _add(digest, name, value)
        elif isinstance(value, Mapping | list | tuple):
            named = list(value.items() if isinstance(value, Mapping) else enumerate(value))
            digest.update(json.dumps([name, len(named)]).encode() + b"\n")
            for inner, one in named:
                add(repr(inner), one)
        else:
            digest.update(json.dumps([name, repr(value)]).encode() + b"\n")

    add("", tree)
    return digest.hexdigest()


def _add(digest: Any, name: str, tensor: Tensor) -> None:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode() + b"\n")
    digest.update(flat.view(torch.uint8).numpy().tobytes())
