"""The linear system of the implicit gradient, q - J'q = G, by GMRES (Saad and Schultz 1986).

After k products with J' the residual is the smallest of all that lie in the span of G, J'G, ..., J'^k G. It converges
where the fixed-point iteration q <- G + J'q does, with at most as many products, and also where that diverges.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MOST = 30
"""Products with J', as many as the released code takes steps."""
TOLERANCE = 1e-5
"""Of the residual's norm, relative to G's."""


def solve(product: Callable[[Tensor], Tensor], right: Tensor, tolerance: float = TOLERANCE, most: int = MOST) -> Tensor:
    """Return q with q - product(q) = right, shape of `right`.

    Stops at a residual of `tolerance` times |right|, or after `most` products with the smallest residual found.
    """
    size = right.norm()
    if not size > 0:  # NaN, too, is the caller's to notice
        return right.clone()
    basis = [(right / size).reshape(-1)]
    columns: list[Tensor] = []  # of the Hessenberg matrix
    while True:
        w = basis[-1] - product(basis[-1].view(right.shape)).reshape(-1)
        column = _take_off(w, basis) + _take_off(w, basis)  # once more, for what rounding has left
        columns.append(torch.cat([column, w.norm().view(1)]))
        weights, residual = _least_squares(columns)
        if residual <= tolerance or len(columns) >= most or not columns[-1][-1] > 0:
            return (size * sum(weight * q for weight, q in zip(weights.to(right), basis, strict=True))).view(
                right.shape
            )
        basis.append(w.div_(columns[-1][-1]))


def _take_off(w: Tensor, basis: list[Tensor]) -> Tensor:
    """Make `w` orthogonal to the basis, in place; returns what it had of each."""
    shares = torch.stack([torch.dot(q, w) for q in basis])
    for share, q in zip(shares, basis, strict=True):
        w.addcmul_(share, q, value=-1.0)
    return shares


def _least_squares(columns: list[Tensor]) -> tuple[Tensor, float]:
    """Minimise |e_1 - H y|; returns y and the norm, for H with the given columns, in float64 on the host."""
    count = len(columns)
    matrix = torch.zeros(count + 1, count, dtype=torch.float64)
    for index, column in enumerate(columns):
        matrix[: len(column), index] = column.double().cpu()
    first = torch.zeros(count + 1, 1, dtype=torch.float64)
    first[0] = 1.0
    found = torch.linalg.lstsq(matrix, first).solution
    return found[:, 0], float((first - matrix @ found).norm())
