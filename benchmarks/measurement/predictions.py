"""A network's predictions for every test image: the class, whether it is correct, and the margin.

`predictions.npz` in a run's directory, images in the order of the test split:

    predicted   uint8, or uint16 for more than 256 classes
    correct     bits, packed by numpy.packbits
    margin      uint8: probability of the predicted class minus that of the runner-up, times 255
    images      number of images
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.runs.record import replacing


@dataclass(frozen=True)
class Predictions:
    """`(N,)` each: predicted class (uint8, int16 for more than 256 classes), correct (bool), margin (uint8)."""

    predicted: Tensor
    correct: Tensor
    margin: Tensor


def of(logits: Tensor, labels: Tensor) -> Predictions:
    """Compute predictions from logits `(B, classes)` and labels `(B,)`, on their device. A NaN logit gives margin 0."""
    predicted, several = logits.argmax(1), logits.shape[1] > 256
    best, second = logits.float().softmax(1).topk(2, dim=1).values.unbind(1)
    margin = (255 * (best - second)).nan_to_num(0.0).round().to(torch.uint8)
    return Predictions(predicted.to(torch.int16 if several else torch.uint8), predicted == labels, margin)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate predictions, on the CPU."""
    columns = zip(*((p.predicted, p.correct, p.margin) for p in parts), strict=True)
    return Predictions(*(torch.cat(column).cpu() for column in columns))


def write(predictions: Predictions, path: Path) -> str:
    """Write the file atomically and return its SHA-256. Equal predictions give equal bytes."""
    predicted = predictions.predicted.numpy()
    np.savez_compressed(
        packed := io.BytesIO(),
        predicted=predicted.astype(np.uint16) if predicted.dtype == np.int16 else predicted,
        correct=np.packbits(predictions.correct.numpy()),
        margin=predictions.margin.numpy(),
        images=np.int64(len(predicted)),
    )
    return put(packed.getvalue(), path)


def put(packed: bytes, path: Path) -> str:
    """Write the bytes of a file of predictions atomically and return their SHA-256."""
    with replacing(path, "wb") as file:
        file.write(packed)
    return hashlib.sha256(packed).hexdigest()
