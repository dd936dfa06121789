"""Late neurons: how many steps a network of them needs, worked out by hand and from the network itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.catalogue import network_of
from benchmarks.catalogue.networks import neurons_in_series
from benchmarks.networks import NETWORKS
from benchmarks.networks.parts import Parts
from benchmarks.recipes import resolve
from benchmarks.recipes.delays import heard_from, require_steps
from benchmarks.regression import convergence
from benchmarks.runs.job import job_of
from benchmarks.spec import BadInput, Run

SMALL = [
    *("preact-resnet-tiny", "preact-resnet-imagenet-tiny", "resnet20", "vgg11-narrow", "hybrid-vgg11-narrow"),
    *("sew-resnet-tiny", "sew-resnet-imagenet-tiny", "sew-dvs-narrow"),
]


def run(network: str, timesteps: int, method: str = "hybrid-training") -> Run:
    return Run("cifar10", network, method, timesteps, 0, "paper")


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("preact-resnet18", (9, 17)),  # one per block or two, and one behind all
        ("preact-resnet18-imagenet", (10, 18)),  # one in the stem besides
        ("resnet19", (10, 18)),  # eight blocks, one in front of them, one hidden
        ("hybrid-vgg11", (11, 11)),  # nine convolutions, two hidden
        ("diet-vgg16", (15, 15)),
        ("sew-resnet18", (4, 17)),  # stem; on the short way, the shortcuts of three stages; on the long one, 8 x 2
        ("sew-dvs", (2, 16)),  # 1 x 1 convolutions in front of two stages; seven blocks of two
    ],
)
def test_neurons_in_series_are_those_counted_by_hand(network: str, expected: tuple[int, int]) -> None:
    assert neurons_in_series(network) == expected


class Late(nn.Module):
    """The current of the step before: a late neuron without a threshold."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(0, (self.steps, -1))
        return torch.cat([torch.zeros_like(x[:1]), x[:-1]]).flatten(0, 1)


class Last(nn.Module):
    """The classifier's output at every step, `(T, B, classes)`."""

    def __init__(self, features: int, classes: int, steps: int) -> None:
        super().__init__()
        self.steps, self.linear = steps, nn.Linear(features, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(0, (self.steps, -1))


def linear(network: str, steps: int) -> nn.Module:
    """The network, all of it linear, without norms and biases."""
    torch.manual_seed(0)
    made = Parts(
        steps,
        lambda: Late(steps),
        lambda features, branches=1: nn.Identity(),
        lambda features, classes, reencode=True: Last(features, classes, steps),
    )
    built = NETWORKS[network](made, 3, 3).double().eval()
    for module in built.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.bias = None
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
    return built


@pytest.mark.parametrize("network", SMALL)
def test_an_image_of_one_step_is_heard_from_the_shortest_delay_to_the_longest(network: str) -> None:
    first, whole = heard_from(run(network, 1), resolve(run(network, 1)))
    frames = torch.zeros(whole + 2, 1, 3, 32, 32, dtype=torch.float64)
    frames[0].normal_(generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        outputs = linear(network, whole + 2)(frames)
    heard = [step for step, output in enumerate(outputs, 1) if output.abs().max() > 0]
    assert (heard[0], heard[-1]) == (first, whole)


def test_too_few_steps_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"9 or more of them are in series.*T must be at least 10 \(18 for all layers"):
        job_of(run("preact-resnet18", 9), tmp_path)
    assert job_of(run("preact-resnet18", 10), tmp_path).parent
    for method in ("diet-snn", "dsr-if", "ann"):
        require_steps(run("preact-resnet18", 1, method), resolve(run("preact-resnet18", 1, method)))
    early = run("preact-resnet18", 1, "hybrid-training@delayed=false")
    require_steps(early, resolve(early))


def test_brief_trainings_are_of_steps_enough() -> None:
    found = {
        each.method: each.timesteps for each in convergence.runs("digits", ["ann", "diet-snn", "hybrid-training"], [0])
    }
    late = 1 + neurons_in_series(network_of("hybrid-training"))[1]
    assert found == {"ann": 1, "diet-snn": 4, "hybrid-training": late}
