"""One epoch of CIFAR-10 with crops and flips: our batches, and torchvision's transforms in a DataLoader of two workers.

Run `pytest benchmarks/perf/bench_batches.py`. The images are random, because the cost does not depend on their content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks.data import DATASETS, Dataset, Split, training_batches
from benchmarks.data.inputs import Pixels
from benchmarks.data.torchvision_import import torchvision
from benchmarks.spec import Recipe

IMAGES, BATCH = 20_000, 128


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def ours(images: torch.Tensor) -> Callable[[], int]:
    split, inputs = Split(images, torch.zeros(IMAGES, dtype=torch.int64)), DATASETS["cifar10"].inputs
    data = Dataset("cifar10", 10, split, None, split, inputs, "", "")
    recipe = Recipe(epochs=1, batch_size=BATCH, learning_rate=0.1)
    return lambda: sum(len(labels) for _, labels in training_batches(data, recipe, 0, 1))


def torchvisions(images: torch.Tensor) -> Callable[[], int]:
    from PIL import Image

    inputs, transforms = DATASETS["cifar10"].inputs, torchvision.transforms
    assert isinstance(inputs, Pixels)
    steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    prepare = transforms.Compose([*steps, transforms.Normalize(inputs.mean, inputs.std)])
    arrays = images.permute(0, 2, 3, 1).contiguous().numpy()

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return IMAGES

        def __getitem__(self, index: int) -> Any:
            return prepare(Image.fromarray(arrays[index])), 0

    loader = torch.utils.data.DataLoader(Pictures(), BATCH, shuffle=True, num_workers=2)
    return lambda: sum(len(labels) for _, labels in loader)


@pytest.mark.parametrize("by", [ours, torchvisions])
def test_epoch(benchmark: Any, images: torch.Tensor, by: Callable[[torch.Tensor], Callable[[], int]]) -> None:
    count = benchmark.pedantic(by(images), rounds=3, warmup_rounds=1)
    assert count == IMAGES
    benchmark.extra_info["images_per_second"] = IMAGES / benchmark.stats.stats.min
