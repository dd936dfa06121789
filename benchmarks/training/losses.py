"""What training lowers, by the name that a recipe gives it.

With o_t the output of the network at step t, o its mean over the T steps and y the label:

    cross-entropy    CE(o, y)
    squared-error    mean over classes of (o - onehot(y))^2                        Wu et al. 2018 (STBP)
    tet              (1 - a) mean_t CE(o_t, y) + a mean over t and classes of (o_t - 1)^2    Deng et al., ICLR 2022
    tet-onehot       (1 - a) mean_t CE(o_t, y) + a mean over t and classes of (o_t - onehot(y))^2

a is the recipe's `loss_share`, 0.05 unless stated. SLTT (ICCV 2023) is published with the third, OTTT (NeurIPS 2022)
with the fourth.

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


def tet(outputs: Tensor, labels: Tensor, recipe: Recipe, share: float | None = None, target: float = 1.0) -> Tensor:
    """Cross-entropy at every step, and a `share` of the squared distance of all outputs from `target`.

    Source: Deng et al., ICLR 2022, Eq. 11 to 13; `share` (None: the recipe's) and `target` are lambda and phi there.
    """
    return _at_every_step(outputs, labels, recipe, share, outputs.new_full((), target))


def tet_onehot(outputs: Tensor, labels: Tensor, recipe: Recipe, share: float | None = None) -> Tensor:
    """Cross-entropy at every step, and a `share` of the squared distance of all outputs from the one-hot label.

    Source: the released code of OTTT (Xiao et al., NeurIPS 2022).
    """
    target = F.one_hot(labels, outputs.shape[-1]).to(outputs.dtype)
    return _at_every_step(outputs, labels, recipe, share, target)


def _at_every_step(outputs: Tensor, labels: Tensor, recipe: Recipe, share: float | None, target: Tensor) -> Tensor:
    assert outputs.dim() == 3, "this loss needs the output of every step"
    share = recipe.loss_share if share is None else share
    steps, images = outputs.shape[:2]
    likelihoods = F.cross_entropy(
        outputs.flatten(0, 1), labels.expand(steps, images).flatten(), label_smoothing=recipe.label_smoothing
    )
    return (1 - share) * likelihoods + share * (outputs - target).square().mean()


LOSSES: Mapping[Loss, LossFunction] = {
    "cross-entropy": cross_entropy,
    "squared-error": squared_error,
    "tet": tet,
    "tet-onehot": tet_onehot,
}
assert (*LOSSES,) == get_args(Loss)
