"""Digest of a network's weights: equal for equal tensors, independent of the file format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor


def of_state(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a `state_dict()`: every tensor's name, type, shape and bytes, in order."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode() + b"\n")
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
