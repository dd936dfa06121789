"""Channels-last from the batch to the last gradient: a training step converts no activation's layout.

One exception: torch returns the gradient of a mean over all pixels, that of the last map, with channels first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import dsr.precision
from benchmarks.catalogue import timeless
from benchmarks.data import Dataset, Split, Streamed, evaluation_batches, training_batches
from benchmarks.data.inputs import Counts, Pixels
from benchmarks.measurement import digests
from benchmarks.methods import BUILT_IN, METHODS, parts
from benchmarks.networks import build
from benchmarks.networks.parts import DirectCoding, Projection
from benchmarks.networks.preact_resnet import PreActResNet
from benchmarks.recipes import resolve
from benchmarks.spec import Recipe, Run

LAST, FIRST = torch.channels_last, torch.contiguous_format
STEPS = 3
LAST_MAP = (64, 8, 8)
PIXELS = Pixels((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def trained() -> list[str]:
    """Methods that train."""
    return [name for name in BUILT_IN if resolve(run_of(name)).epochs]


def run_of(method: str) -> Run:
    return Run("cifar10", "preact-resnet-tiny", method, 1 if timeless(method) else STEPS, 0, "laptop")


def is_first(x: Tensor) -> bool:
    """Whether maps, other than the last ones, lie in memory with channels first."""
    maps = x.dim() == 4 and x.is_floating_point() and x.shape[1:] != LAST_MAP
    return maps and not x.is_contiguous(memory_format=LAST) and x.is_contiguous()


def is_new(x: Tensor, sources: list[Tensor]) -> bool:
    return all(x.untyped_storage().data_ptr() != source.untyped_storage().data_ptr() for source in sources)


class Conversions(TorchDispatchMode):
    """Collects operations on maps whose results lie in memory with channels first, and copies from such maps.

    Views and fresh memory are no conversions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        results = [x for x in tree_leaves(returned) if isinstance(x, Tensor)]
        sources = [x for x in tree_leaves(args) if isinstance(x, Tensor)]
        if func.overloadpacket is torch.ops.aten.copy_:
            converted = sources[0].dim() == 4 and is_first(sources[1]) != is_first(sources[0])
        else:
            converted = bool(sources) and any(is_first(x) and is_new(x, sources) for x in results)
        if converted:
            self.found.append(f"{func}{[tuple(x.shape) for x in sources]}")
        return returned


def step(method: str) -> Conversions:
    """The second training step of a fresh network, watched."""
    torch.manual_seed(0)
    run = run_of(method)
    network = PreActResNet(parts(method, run.timesteps, resolve(run)), (1, 1, 1), (16, 32, 64), 10)
    network = METHODS[method].wrap(network.to(memory_format=LAST), run.timesteps, resolve(run)).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    images, labels = torch.randn(8, 3, 32, 32).contiguous(memory_format=LAST), torch.arange(8)
    watched = Conversions()
    for watch in (False, True):
        optimizer.zero_grad()
        if watch:
            with watched:
                F.cross_entropy(network(images), labels).backward()
                optimizer.step()
        else:
            F.cross_entropy(network(images), labels).backward()
            optimizer.step()
    return watched


@pytest.mark.parametrize("method", trained())
def test_a_training_step_converts_no_layout(method):
    assert not step(method).found


def test_a_conversion_is_noticed():
    x = torch.zeros(2, 3, 4, 4).contiguous(memory_format=LAST)
    with Conversions() as watched:
        x.contiguous(memory_format=LAST)
        torch.empty_like(x).copy_(x)
        assert not watched.found
        x.contiguous()
        torch.empty_like(x).copy_(torch.zeros(2, 3, 4, 4))
        x.repeat(2, 1, 1, 1)
    assert [name.split("[")[0] for name in watched.found] == [
        "aten.clone.default",
        "aten.copy_.default",
        "aten.repeat.default",
    ]


@pytest.mark.parametrize("network", ["preact-resnet-tiny", "resnet20", "vgg11", "preact-resnet-imagenet-tiny"])
def test_a_built_network_and_its_gradients_are_channels_last(network):
    model = build(network, "ann", 1, 10)
    model(torch.randn(2, 3, 64, 64).contiguous(memory_format=LAST)).sum().backward()
    weights = [w for w in model.parameters() if w.dim() == 4]
    assert weights
    assert all(w.is_contiguous(memory_format=LAST) and w.grad.is_contiguous(memory_format=LAST) for w in weights)


@pytest.mark.parametrize("layout", [LAST, FIRST])
def test_repeating_the_first_current_keeps_its_layout_and_its_gradient(layout):
    x = torch.randn(2, 3, 5, 4).contiguous(memory_format=layout).requires_grad_()
    found = DirectCoding(nn.Identity(), STEPS)(x)
    assert torch.equal(found, torch.cat([x] * STEPS))
    assert found.is_contiguous(memory_format=layout)
    gradient = torch.randn(6, 3, 5, 4)
    found.backward(gradient)
    assert torch.allclose(x.grad, gradient.view(3, 2, 3, 5, 4).sum(0), atol=1e-6)
    assert not DirectCoding(nn.Identity(), STEPS)(x[:0]).numel()


def dataset(images: Tensor, inputs: Pixels | Counts) -> Dataset:
    split = Split(images, torch.arange(len(images)))
    return Dataset("cifar10", 10, split, None, split, inputs, "", "")


def recipe(augmentation: str) -> Recipe:
    return Recipe(epochs=1, batch_size=4, learning_rate=0.1, augmentation=augmentation)


@pytest.mark.parametrize("augmentation", ["none", "crop-flip", "crop-flip-cutout", "autoaugment-cutout"])
def test_batches_of_images_are_channels_last(augmentation):
    data = dataset(torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8), PIXELS)
    for images, _ in training_batches(data, recipe(augmentation), 0, 1):
        assert images.is_contiguous(memory_format=LAST)
    assert all(images.is_contiguous(memory_format=LAST) for images, _ in evaluation_batches(data.test, data))
    assert data.example.is_contiguous(memory_format=LAST)


def test_pixels_are_normalised_as_written():
    images = torch.randint(0, 256, (4, 3, 7, 5), dtype=torch.uint8)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (PIXELS.mean, PIXELS.std))
    expected = (images.float() / 255 - mean) / std
    assert torch.equal(PIXELS.scaled(images), expected)
    assert torch.equal(PIXELS.scaled(images.contiguous(memory_format=LAST)), expected)


@pytest.mark.parametrize("shape", [(6, STEPS, 2, 9, 9), (6, 2, 9, 9)], ids=["frames", "their mean"])
def test_batches_of_events_are_channels_last_and_complete(shape):
    counts = torch.randint(0, 9, shape, dtype=torch.uint8)
    data = dataset(counts, Counts(9))
    seen = [images for images, _ in evaluation_batches(data.test, data, 4)]
    seen += [images for images, _ in training_batches(data, recipe("crop"), 0, 1)]
    assert all(x.flatten(0, -4).is_contiguous(memory_format=LAST) for x in seen)
    assert all(x.flatten(0, -4).data_ptr() == x.data_ptr() for x in seen), "folding time into the batch copies nothing"
    whole = torch.cat(seen[:2], 1 if len(shape) == 5 else 0)
    assert torch.equal(whole, (counts.transpose(0, 1) if len(shape) == 5 else counts).float())


def test_batches_of_image_files_are_channels_last(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    files = tuple(str(tmp_path / f"{at}.png") for at in range(3))
    for file, image in zip(files, pixels, strict=True):
        Image.fromarray(image).save(file)
    split = Streamed(files, torch.arange(3), 8)
    images, _ = next(split.batches(3))
    assert images.shape == (3, 3, 8, 8)
    assert images.is_contiguous(memory_format=LAST)
    assert PIXELS.scaled(images).is_contiguous(memory_format=LAST)


def test_a_digest_does_not_depend_on_the_layout():
    weights = torch.randn(4, 3, 5, 5)
    state = {"w": weights, "b": torch.randn(4)}
    assert digests.of_state(state) == digests.of_state({**state, "w": weights.contiguous(memory_format=LAST)})
    assert digests.of_state(state) != digests.of_state({**state, "w": weights.permute(0, 1, 3, 2)})


@pytest.mark.parametrize("stride", [1, 2, (2, 3)])
def test_a_projection_is_a_strided_convolution(stride):
    """Its oracle gets channels-first double precision, which oneDNN does not compute."""
    x = torch.randn(3, 8, 13, 12).contiguous(memory_format=LAST).requires_grad_()
    ours = Projection(8, 16, 1, stride).to(memory_format=LAST)
    y = ours(x)
    g = torch.randn(y.shape).contiguous(memory_format=LAST)
    y.backward(g)
    exact = nn.Conv2d(8, 16, 1, stride).double()
    exact.load_state_dict(ours.state_dict())
    wide = x.detach().double().contiguous().requires_grad_()
    expected = exact(wide)
    expected.backward(g.double())
    for found, by in ((y, expected), (x.grad, wide.grad), (ours.weight.grad, exact.weight.grad)):
        assert torch.allclose(found.double(), by, atol=1e-5)
        assert found.is_contiguous(memory_format=LAST)
    assert torch.allclose(
        dsr.precision.weight_gradient(ours, g, x.detach()).double(), exact.weight.grad.double(), atol=1e-5
    )


def test_the_gradients_of_few_channels_do_not_destroy_memory():
    """At this size the strided convolution's gradient crashes a process with AVX-512 (oneDNN issue 6035)."""
    network = build("preact-resnet-tiny", "ann", 1, 10)
    for _ in range(3):
        network(torch.randn(2, 3, 64, 64).contiguous(memory_format=LAST)).sum().backward()
    assert all(w.grad.isfinite().all() for w in network.parameters())
