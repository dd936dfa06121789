"""Code that the documentation shows is code that runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import methods
from benchmarks.operations.counter import counting
from benchmarks.recipes import resolve
from benchmarks.spec import Run

PAGE = Path(__file__).parents[1] / "docs" / "add-a-network.md"


@pytest.mark.parametrize("method", ["ann", "dsr-if", "dsr-lif-rep", "stbp-tdbn", "qcfs"])
def test_the_network_of_the_page_runs_with_every_kind_of_method_and_is_counted(method: str) -> None:
    _, code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    timesteps = 1 if method == "ann" else 2
    recipe = resolve(Run("cifar10", "preact-resnet18", method, timesteps, 0, "paper"))
    network = methods.named(method).wrap(
        shown["MyNetwork"](methods.parts(method, timesteps, recipe), (32, 64), 10, 3), timesteps, recipe
    )
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert network(images).shape == (3, 10)
    network.eval()
    with counting(network, images[:1], timesteps) as counter, torch.no_grad():
        network(images)
    # 3 x 3 taps on 8 x 8 pixels but for those on padding: 3 * 8 - 2 per direction; then a map of 3 x 3, then 64 values
    stem, body, readout = 22 * 22 * 3 * 32, 9 * 9 * 32 * 64, 64 * 10
    assert counter.per_image().dense_macs_per_step == stem + body + readout
