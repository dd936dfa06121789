"""What training lowers, by the name that a recipe gives it.

With o_t the output of the network at step t, o its mean over the T steps and y the label:

    cross-entropy    CE(o, y)
    squared-error    mean over classes of (o - onehot(y))^2                        Wu et al. 2018 (STBP)
    tet              0.95 mean_t CE(o_t, y) + 0.05 mean over t and classes of (o_t - 1)^2    Deng et al., ICLR 2022

Each is a mean over the images of a batch. Cross-entropies smooth labels as the recipe says. Whatever a method lowers,
the test and validation losses in its row are cross-entropies of o.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from torch import Tensor
from torch.nn import functional as F

from benchmarks.spec import Loss, Recipe

LossFunction = Callable[[Tensor, Tensor, Recipe], Tensor]
"""`(outputs, labels, recipe)` -> the loss, a mean over images.

`outputs` are what the network returns in training mode: `(B, classes)`, or those of every step, `(T, B, classes)`.
`labels` are `(B,)`, int64.
"""


def mean_over_time(outputs: Tensor) -> Tensor:
    """Outputs of every step `(T, B, classes)`, or of all steps together `(B, classes)`, as logits `(B, classes)`."""
    return outputs.mean(0) if outputs.dim() == 3 else outputs


def cross_entropy(outputs: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of the mean output."""
    return F.cross_entropy(mean_over_time(outputs), labels, label_smoothing=recipe.label_smoothing)


def squared_error(outputs: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Mean squared distance of the mean output, a firing rate, from 1 for the label's class and 0 for others."""
    rates = mean_over_time(outputs)
    return F.mse_loss(rates, F.one_hot(labels, rates.shape[1]).to(rates.dtype))


def tet(outputs: Tensor, labels: Tensor, recipe: Recipe, share: float = 0.05, target: float = 1.0) -> Tensor:
    """Cross-entropy at every step, and a `share` of the squared distance of all outputs from `target`.

    Source: Deng et al., ICLR 2022, Eq. 11 to 13; `share` and `target` are lambda and phi there.
    """
    assert outputs.dim() == 3, "tet needs the output of every step"
    steps, images = outputs.shape[:2]
    at_every_step = F.cross_entropy(
        outputs.flatten(0, 1), labels.expand(steps, images).flatten(), label_smoothing=recipe.label_smoothing
    )
    return (1 - share) * at_every_step + share * (outputs - target).square().mean()


LOSSES: Mapping[Loss, LossFunction] = {"cross-entropy": cross_entropy, "squared-error": squared_error, "tet": tet}
OF_EVERY_STEP: tuple[Loss, ...] = ("tet",)
"""Losses that need the output of every step."""
assert (*LOSSES,) == get_args(Loss)
