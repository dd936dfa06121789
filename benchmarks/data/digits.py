"""The handwritten digits that ship with scikit-learn, 1,797 images of 8 x 8 pixels: real data without a download.

They have no official split. A fixed shuffle gives 1,437 training and 360 test images.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.data.splits import Arrays, Split, both, digest

TEST_IMAGES = 360


def read() -> Arrays:
    """Read the whole set; pixel values 0 to 16 are scaled to 0 to 255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = np.round(bunch.images[order] * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target[order].astype(np.int64)
    test, train = slice(None, TEST_IMAGES), slice(TEST_IMAGES, None)
    return Arrays(
        classes=10,
        train=Split(torch.from_numpy(images[train]), torch.from_numpy(labels[train])),
        test=Split(torch.from_numpy(images[test]), torch.from_numpy(labels[test])),
        sha256=both(digest(images[train], labels[train]), digest(images[test], labels[test])),
        source="scikit-learn's digits (UCI optical recognition test set), split by us",
    )
