"""A spiking network with feedback, differentiated at its equilibrium (Xiao et al., NeurIPS 2021).

Layer 1 gets x_1 + W s_N(t-1), where x_1 = norm(conv(image)); layer i gets norm(conv s_{i-1}(t)). With the rates of the
last layer, a, and the clips of all layers in a row, f, the network tends to

    a = f(a),    f(a) = clip(norm conv ... clip((x_1 + W a) / V)), each clip to [0, 1]

Training simulates T steps without a graph, norms behind the first layer with running statistics. Then it evaluates f
once, at the simulated a and with the batch's statistics, with a graph. The network's value is the simulated a, and
its gradient G = dL/da becomes that of f's output by the implicit function theorem:

    (1 - J') q = G,   J = df/da,   dL/dtheta = q' df/dtheta

Memory does not grow with T, and backward costs one step for every product with J'. Events: x_1 of f is the weighted
mean over time of norm(conv(frame)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils import parametrize

from baselines.dropout import HeldDropout
from baselines.ide import spectral
from baselines.ide.adjoint import MOST, TOLERANCE, solve
from baselines.ide.neuron import Neuron
from baselines.wrapped import Wrapped

At = Literal["rate", "f of rate"]


class Layer(Protocol):
    """A layer of the loop: currents `norm(conv(s))`, dropped and given to its neurons."""

    norm: nn.Module
    neuron: Neuron

    def current(self, spikes: Tensor) -> Tensor: ...


class Loop(Protocol):
    """What a network with feedback has; see `benchmarks.networks.feedback`."""

    stem: nn.Module
    norm: nn.Module
    dropout: nn.Module
    neuron: Neuron
    layers: Sequence[Layer]

    def fed_back(self, spikes: Tensor, like: Tensor) -> Tensor: ...
    def read(self, rate: Tensor) -> Tensor: ...


class _Implicit(torch.autograd.Function):
    """Its value is the simulated rate; the gradient of f's output is q."""

    @staticmethod
    def forward(ctx: Any, mapped: Tensor, rate: Tensor, adjoint: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.adjoint = adjoint
        return rate.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.adjoint(grad), None, None


class Equilibrium(Wrapped):
    """A network with feedback whose parts are IDE's, simulated for `timesteps` steps.

    Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> logits `(B, classes)`. Parameters, buffers and their names are
    the network's.

    `at`: J is taken at the simulated rate, as the equation says, or at f of it, as the released code does
    for networks of several layers. `moves_twice`: the first norm's running statistics move twice a pass, as there.
    """

    def __init__(
        self,
        network: nn.Module,
        timesteps: int,
        at: At = "rate",
        moves_twice: bool = False,
        tolerance: float = TOLERANCE,
        most: int = MOST,
    ) -> None:
        super().__init__(network)
        self.timesteps, self.at, self.moves_twice = timesteps, at, moves_twice
        self.tolerance, self.most = tolerance, most

    def forward(self, x: Tensor) -> Tensor:
        network: Any = self._hidden[0]
        if isinstance(x, fx.Proxy):
            logits: Tensor = network.forward(x)
            return logits
        with parametrize.cached():
            self._begin()
            return self._trained(network, x) if self.training else network.read(self._rate(network, self._drive(x), x))

    def _begin(self) -> None:
        """Forget the last batch; in training, draw masks anew and take the power steps."""
        for module in self.modules():
            if isinstance(module, Neuron | HeldDropout):
                module.reset()
            elif self.training:
                spectral.step(module)

    def _drive(self, x: Tensor) -> Tensor:
        """Return x_1 `(B, ...)`, or of frames `(T*B, ...)`."""
        network: Any = self._hidden[0]
        current = network.stem(x)
        if self.training and self.moves_twice:
            with torch.no_grad():
                network.norm(current)
        driven: Tensor = network.norm(current)
        return driven

    def _trained(self, network: Loop, x: Tensor) -> Tensor:
        drive = self._drive(x)
        with evaluating(layer.norm for layer in network.layers):
            rate = self._rate(network, drive.detach(), x)
        if x.dim() == 5:
            drive = weighted_mean(drive.chunk(self.timesteps), network.neuron.leak)
        at = rate.clone().requires_grad_(torch.is_grad_enabled())
        mapped = self._f(network, at, drive)
        if not torch.is_grad_enabled():
            return network.read(rate)
        adjoint = self._of_rate(mapped, at) if self.at == "rate" else self._of_f(network, mapped, drive)
        return network.read(_Implicit.apply(mapped, rate, adjoint))

    @torch.no_grad()
    def _rate(self, network: Loop, drive: Tensor, x: Tensor) -> Tensor:
        """Simulate T steps of images or frames `x`; returns the weighted rate of the last layer."""
        emitted = self._simulated(network, drive.chunk(self.timesteps) if x.dim() == 5 else [drive] * self.timesteps)
        rate = weighted_mean(emitted, network.neuron.leak)
        for module in self.modules():
            if isinstance(module, Neuron):
                module.reset()  # frees the membranes
        return rate

    def _simulated(self, network: Loop, drives: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the spikes of the last layer, step by step."""
        fed: Tensor | None = None
        for step, drive in enumerate(drives, 1):
            current = network.dropout(drive)
            spikes = network.neuron(current if fed is None else current + fed)
            for layer in network.layers:
                spikes = layer.neuron(layer.current(spikes))
            yield spikes
            if step < len(drives):  # nothing reads what the last step would feed back
                fed = network.fed_back(spikes, current)

    def _f(self, network: Loop, rate: Tensor, drive: Tensor) -> Tensor:
        """Return f(rate)."""
        rate = network.neuron.rate(network.dropout(drive) + network.fed_back(rate, drive))
        for layer in network.layers:
            rate = layer.neuron.rate(layer.current(rate))
        return rate

    def _of_rate(self, mapped: Tensor, at: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what finds q, for J at the simulated rate: the derivative of what is differentiated."""

        def adjoint(grad: Tensor) -> Tensor:
            return self._solved(mapped, at, grad)

        return adjoint

    def _of_f(self, network: Loop, mapped: Tensor, drive: Tensor) -> Callable[[Tensor], Tensor]:
        """The same for J at f of it."""
        place, constant = mapped.detach(), drive.detach()

        def adjoint(grad: Tensor) -> Tensor:
            at = place.clone().requires_grad_()
            with torch.enable_grad(), untracked(layer.norm for layer in network.layers):
                again = self._f(network, at, constant)
            return self._solved(again, at, grad)

        return adjoint

    def _solved(self, mapped: Tensor, at: Tensor, grad: Tensor) -> Tensor:
        def product(q: Tensor) -> Tensor:
            (found,) = torch.autograd.grad(mapped, at, q, retain_graph=True)
            return found

        return solve(product, grad, self.tolerance, self.most)


def weighted_mean(steps: Iterable[Tensor], leak: float) -> Tensor:
    """Mean over steps `(B, ...)`, the last with the largest weight: sum_t leak^(T-t) x_t / sum_t leak^(T-t)."""
    total: Tensor | None = None
    weight = 0.0
    for step in steps:
        total = step if total is None else leak * total + step
        weight = leak * weight + 1.0
    assert total is not None, "no steps"
    return total / weight


@contextmanager
def evaluating(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, these modules are in evaluation mode."""
    before = [(module, module.training) for module in modules]
    for module, _ in before:
        module.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.train(training)


@contextmanager
def untracked(norms: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, norms use a batch's statistics and remember nothing of them."""
    kept = [norm for norm in norms if isinstance(norm, nn.modules.batchnorm._BatchNorm)]
    for norm in kept:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in kept:
            norm.track_running_stats = True
