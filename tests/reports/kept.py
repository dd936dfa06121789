"""Files of predictions made up for tests, as a run leaves them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np


def save(folder: Path, key: str, correct: np.ndarray, predicted: np.ndarray | None = None) -> dict[str, Any]:
    """Write `<folder>/<key>.npz`; return what the run's row says of it."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = correct.astype(np.uint8) if predicted is None else predicted.astype(np.uint8)
    margin = np.full(len(correct), 128, np.uint8)
    path = folder / f"{key}.npz"
    np.savez_compressed(
        path, predicted=classes, correct=np.packbits(correct), margin=margin, images=np.int64(len(correct))
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "key": key, "predictions_sha256": digest, "top1": 100 * float(correct.mean()), "test_images": len(correct),
    }  # fmt: skip
