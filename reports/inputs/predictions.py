"""What a run said of every test image: `results/predictions/<key>.npz`, read and held against its row.

A file has four arrays over the test images in their fixed order: `predicted` (the class), `correct` (bits, packed),
`margin` (probability of the class minus the runner-up's, times 255) and `images` (their number).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spec import BadInput, one_line

FOLDER = "predictions"
Kept = Mapping[str, "Predictions"]
"""Predictions by the key of their run."""


@dataclass(frozen=True)
class Predictions:
    """`predicted`: class per image; `correct`: whether it is the label; `margin`: 0 to 1."""

    predicted: np.ndarray
    correct: np.ndarray
    margin: np.ndarray

    @property
    def images(self) -> int:
        return len(self.predicted)


def beside(paths: Iterable[Path], rows: pd.DataFrame) -> dict[str, Predictions]:
    """The predictions kept in a folder beside the CSV files, of finished rows that name their digest.

    A row whose file was not kept has none. Raises BadInput for a file that is not what its row says.
    """
    folders = list(dict.fromkeys(Path(path).parent / FOLDER for path in paths))
    named = rows[(rows["status"] == "done") & rows["predictions_sha256"].notna()]
    kept = {}
    for row in named.to_dict("records"):
        there = [path for folder in folders if (path := folder / f"{row['key']}.npz").is_file()]
        if there:
            kept[str(row["key"])] = read(there[0], row)
    return kept


def read(path: Path, row: Mapping[Any, Any]) -> Predictions:
    """The predictions of one row. Raises BadInput where digest, number of images or accuracy are not the row's."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != row["predictions_sha256"]:
        raise BadInput(f"{path} has SHA-256 {digest[:16]}..., its row says {str(row['predictions_sha256'])[:16]}...")
    predictions = _unpacked(content, path)
    if not pd.isna(row["test_images"]) and predictions.images != int(row["test_images"]):
        raise BadInput(f"{path} holds {predictions.images} images, its row says {int(row['test_images'])}")
    share = 100 * float(predictions.correct.mean())
    if abs(share - row["top1"]) * predictions.images >= 50:  # half an image: the row's percentage may be rounded
        raise BadInput(f"{path} has {share:.2f} % correct, its row says top1 = {row['top1']:.2f} %")
    return predictions


def _unpacked(content: bytes, path: Path) -> Predictions:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            count, predicted, packed, margin = (stored[name] for name in ("images", "predicted", "correct", "margin"))
            images = int(count)
    except Exception as error:  # numpy, zipfile and zlib raise half a dozen kinds for a damaged file
        raise BadInput(f"{path} is no file of predictions: {one_line(error)}") from error
    if predicted.dtype not in (np.uint8, np.uint16) or packed.dtype != np.uint8 or margin.dtype != np.uint8:
        kinds = f"{predicted.dtype}, {packed.dtype} and {margin.dtype}"
        raise BadInput(
            f"{path} is no file of predictions: its arrays are {kinds}, expected are uint8 (classes: or uint16)"
        )
    if images < 1 or not predicted.shape == margin.shape == (images,) or packed.shape != ((images + 7) // 8,):
        raise BadInput(f"{path} is no file of predictions: its arrays differ in length")
    return Predictions(predicted, np.unpackbits(packed, count=images).astype(bool), margin / 255.0)
