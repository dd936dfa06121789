"""What methods say of their gradient through time, against what their neurons do; who can have a loss of every step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks import catalogue
from benchmarks.catalogue import network_of, timeless
from benchmarks.methods import METHODS, parts
from benchmarks.networks.parts import SpikingNeuron
from benchmarks.parameters import require_method
from benchmarks.recipes import resolve
from benchmarks.spec import BadInput, Run

STATED = {name: about.temporal_gradient for name, about in catalogue.BUILT_IN.items()}
T = 4
BY_STEP = [name for name, kept in STATED.items() if kept in ("within a step", "all")]


def run_of(method: str) -> Run:
    return Run("cifar10", network_of(method), method, 1 if timeless(method) else T, 0, "paper")


def neurons_of(method: str) -> nn.Module:
    """A layer of a method's neurons, without the norm that one method has behind them."""
    made = parts(method, T, resolve(run_of(method))).neuron()
    return next(made.children()) if isinstance(made, nn.Sequential) else made


def reached(method: str) -> Tensor:
    """How much the spikes of the last step depend on the currents of each step, `(T,)`, summed over many neurons."""
    neuron = neurons_of(method).train()
    x = torch.randn(T, 20, 100, generator=torch.Generator().manual_seed(0)).requires_grad_()
    streams = METHODS[method].streams
    last = [neuron(step) for step in x][-1] if streams else neuron(x.flatten(0, 1)).unflatten(0, (T, 20))[-1]
    last.sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((1, 2))


@pytest.mark.parametrize("method", BY_STEP)
def test_what_is_stated_is_what_a_neurons_gradient_does(method: str) -> None:
    *earlier, last = reached(method).tolist()
    assert all(earlier) if STATED[method] == "all" else not any(earlier)
    if method != "hybrid-training" and method != "hybrid-training-published":  # they spike a step late
        assert last > 0


@pytest.mark.parametrize("method", STATED)
def test_trained_spiking_methods_state_it_and_no_other_does(method: str) -> None:
    spikes = isinstance(neurons_of(method), SpikingNeuron)
    assert (STATED[method] is not None) == (spikes and resolve(run_of(method)).epochs > 0)


@pytest.mark.parametrize("method", STATED)
def test_who_is_trained_step_by_step_can_have_a_loss_of_every_step_and_nobody_else(method: str) -> None:
    if METHODS[method].loss or resolve(run_of(method)).epochs == 0:
        return  # refused for these reasons
    if method in BY_STEP:
        require_method(method, {"loss": "tet"})
    else:
        with pytest.raises(BadInput, match="no output at every step, which this loss needs: it "):
            require_method(method, {"loss": "tet"})
