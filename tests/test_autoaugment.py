"""AutoAugment and Cutout on batches, against torchvision's one image at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.data import autoaugment, training_batches
from benchmarks.data.inputs import Pixels
from benchmarks.data.splits import Dataset, Split
from benchmarks.data.torchvision_import import torchvision
from benchmarks.spec import Recipe

RECIPE = Recipe(1, 32, 0.1, augmentation="autoaugment-cutout")


def pictures(count: int) -> Tensor:
    """Smooth colour pictures: what moves or fades shows."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    return (torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear") * 255).to(torch.uint8)


@pytest.fixture
def data() -> Dataset:
    split = Split(pictures(200), torch.arange(200) % 10)
    return Dataset("x", 10, split, None, split, Pixels((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)), "", "")


@pytest.mark.parametrize("backwards", [False, True])
def test_every_operation_is_torchvisions(backwards):
    """All 25 pairs: both operations applied to a batch, against torchvision's own function on each image alone."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.autoaugment import _apply_op

    maker = torchvision.transforms.AutoAugment(torchvision.transforms.AutoAugmentPolicy.CIFAR10)
    images, space = pictures(3), maker._augmentation_space(10, (32, 32))
    for number, pair in enumerate(maker.policies):
        expected = []
        for image in images:
            for name, _, strength in pair:
                magnitudes, signed = space[name]
                size = float(magnitudes[strength]) if strength is not None else 0.0
                sign = -1.0 if signed and backwards else 1.0
                image = _apply_op(image, name, sign * size, interpolation=InterpolationMode.NEAREST, fill=None)
            expected.append(image)
        always = torch.ones(3, 2, dtype=torch.bool)
        choices = autoaugment.Choices(torch.full((3,), number), always, always & backwards)
        found = autoaugment.apply(images, choices)
        assert torch.equal(found, torch.stack(expected)), pair
        assert found.dtype == torch.uint8


def test_operations_happen_as_often_as_the_policy_says():
    choices = autoaugment.draw(50_000, torch.Generator().manual_seed(0))
    assert torch.bincount(choices.policy, minlength=25).min() > 1_800  # 2,000 expected
    for number, pair in enumerate(autoaugment._policies()):
        happens = choices.happens[choices.policy == number].double().mean(0)
        assert happens.tolist() == pytest.approx([chance for _, chance, _ in pair], abs=0.05)
    assert choices.reversed.double().mean() == pytest.approx(0.5, abs=0.01)


def test_a_hole_has_16_pixels_a_side_and_is_clipped_at_the_border():
    images = torch.ones(3, 2, 32, 32)
    cut = autoaugment.cut_out(images, torch.tensor([16, 0, 31]), torch.tensor([16, 0, 20]))
    assert (cut[0, 0] == 0).nonzero().aminmax(dim=0).min.tolist() == [8, 8]
    assert (cut[0, 0] == 0).nonzero().aminmax(dim=0).max.tolist() == [23, 23]
    assert [(cut[i] == 0).sum().item() for i in range(3)] == [2 * 16 * 16, 2 * 8 * 8, 2 * 9 * 16]


def test_an_image_is_augmented_alike_in_every_batch_and_anew_in_every_epoch(data):
    def augmented(batch_size: int, epoch: int) -> Tensor:
        batches = list(training_batches(data, replace(RECIPE, batch_size=batch_size), 0, epoch))
        return torch.cat([images for images, _ in batches])

    assert torch.equal(augmented(32, 1), augmented(7, 1))
    assert not torch.equal(augmented(32, 1), augmented(32, 2))
    holes = (augmented(32, 1) == 0).all(1).flatten(1).sum(1)
    assert ((holes >= 8 * 8) & (holes <= 16 * 16)).all()


def test_cutout_without_autoaugment_is_a_crop_a_flip_and_a_hole(data):
    def augmented(augmentation) -> Tensor:
        return torch.cat(
            [images for images, _ in training_batches(data, replace(RECIPE, augmentation=augmentation), 0, 1)]
        )

    plain, cut = augmented("crop-flip"), augmented("crop-flip-cutout")
    holes = (cut == 0).all(1)
    assert torch.equal(torch.where(holes[:, None], 0.0, plain), cut)
    inside = ((plain != 0).any(1) & holes).flatten(1).sum(1)
    assert ((inside > 0) & (inside <= 16 * 16)).all()


def test_crops_and_order_are_those_of_crop_and_flip(data):
    plain = [labels for _, labels in training_batches(data, replace(RECIPE, augmentation="crop-flip"), 0, 1)]
    richer = [labels for _, labels in training_batches(data, RECIPE, 0, 1)]
    assert torch.equal(torch.cat(plain), torch.cat(richer))
