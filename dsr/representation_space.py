"""DSR's gradient where it lives: forward as spikes without a graph, backward through the representations alone.

Two things pass through the network: the representation r `(B, ...)` with a graph, and the spikes `(T*B, ...)` without.

    linear layers   act on both; a convolution of the mean is the mean of the convolutions
    norms           take their statistics from the representation's currents, the same affine map serves the spikes'
    neurons         simulate T steps; their value is the measured representation, their gradient the clamp's:
                    dL/dI = G / tau where 0 <= I / tau <= ceiling, dL/dV = c sum G where I / tau lies above

with I the (weighted) mean current, ceiling V (IF) or V / dt (LIF). c is 1 for IF; for LIF it is dt, not the clamp's own
1 / dt, as in `dsr.neurons`: so both thresholds' ceilings move at the same rate under the same learning rate.
Backward costs one time step, and what it keeps does not grow with T.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from dsr.neurons import LIF, Neuron
from dsr.representation import Rate

LINEAR = (nn.Conv2d, nn.Linear, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Identity, nn.Flatten)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Signal(NamedTuple):
    """What passes between layers: the representation `(B, ...)`, and values over time `(T*B, ...)` without a graph."""

    representation: Tensor
    over_time: Tensor


class RepresentationSpace(nn.Module):
    """A network of DSR neurons, differentiated in representation space while training.

    In evaluation mode it is the network itself. Parameters, buffers and their names are the network's.
    `first_layer` is the class of the layer that receives analog input, an attribute `layer` holding the layer proper:
    images `(B, C, H, W)` are the same at every step, frames are `(T, B, C, H, W)`. Linear layers, average pools, batch
    norms, additions and DSR neurons are understood; any other layer raises NotImplementedError when it is reached.
    """

    def __init__(self, network: nn.Module, first_layer: type[nn.Module]) -> None:
        super().__init__()
        for name, child in network.named_children():
            self.add_module(name, child)
        graph = fx.GraphModule(network, _Tracer(first_layer).trace(network))
        # hidden in a tuple: registered, every parameter would have two names
        self._hidden: tuple[nn.Module, _Engine] = (network, _Engine(graph, first_layer, _timing(network)))

    def forward(self, x: Tensor) -> Tensor:
        network, engine = self._hidden
        logits: Tensor = engine.run(x) if self.training else network.forward(x)
        return logits


def _timing(network: nn.Module) -> Rate:
    """How representations are read; all neurons of a network share T, tau and dt."""
    rates = {
        (rate.timesteps, rate.tau, rate.dt) for rate in (n.rate() for n in network.modules() if isinstance(n, Neuron))
    }
    if len(rates) != 1:
        raise ValueError(f"the network's neurons must share T, tau and dt, not {sorted(map(str, rates))}")
    return Rate(*rates.pop())


class _Tracer(fx.Tracer):
    def __init__(self, first_layer: type[nn.Module]) -> None:
        super().__init__()
        self.first_layer = first_layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.first_layer) or not any(m.children())


class _Engine(fx.Interpreter):
    """Runs the graph on signals instead of tensors."""

    def __init__(self, graph: fx.GraphModule, first_layer: type[nn.Module], rate: Rate) -> None:
        super().__init__(graph)
        self.first_layer, self.rate = first_layer, rate

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module, value = self.fetch_attr(target), args[0]
        if isinstance(module, self.first_layer):
            layer = module.layer
            assert isinstance(layer, nn.Module)
            return self._first(layer, value)
        if isinstance(module, Neuron):
            return self._neuron(module, value)
        if isinstance(module, Rate):
            return value.representation
        if isinstance(module, NORMS):
            return _norm(module, value)
        if isinstance(module, LINEAR):
            with torch.no_grad():
                over_time = module(value.over_time)
            return Signal(module(value.representation), over_time)
        raise NotImplementedError(f"{target}: {type(module).__name__} is not defined in representation space")

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target not in (operator.add, operator.iadd, torch.add):
            raise NotImplementedError(f"{target} is not defined in representation space")
        left, right = args
        return Signal(left.representation + right.representation, left.over_time + right.over_time)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target != "flatten":
            raise NotImplementedError(f"{target} is not defined in representation space")
        signal, *rest = args
        return Signal(signal.representation.flatten(*rest), signal.over_time.flatten(*rest))

    def _first(self, layer: nn.Module, x: Tensor) -> Signal:
        steps = self.rate.timesteps
        if x.dim() == 5:
            with torch.no_grad():
                over_time = layer(x.flatten(0, 1))
            return Signal(layer(self.rate(x.flatten(0, 1))), over_time)
        current = layer(x)
        return Signal(current, current.detach().repeat(steps, *[1] * (current.dim() - 1)))

    def _neuron(self, neuron: Neuron, current: Signal) -> Signal:
        neuron.project_threshold()
        with torch.no_grad():
            emitted = neuron(current.over_time)
            measured = self.rate(emitted)
        tau, dt = (neuron.tau, neuron.dt) if isinstance(neuron, LIF) else (1.0, 1.0)
        value: Tensor = _Clamp.apply(current.representation, neuron.threshold, measured, tau, dt)
        return Signal(value, emitted)


class _Clamp(torch.autograd.Function):
    """The measured representation as value, the clamp's gradient at the mean current."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, threshold: Tensor, measured: Tensor, tau: float, dt: float) -> Tensor:
        saturated = mean > threshold * (tau / dt)
        ctx.save_for_backward((mean >= 0) & ~saturated, saturated)
        ctx.tau, ctx.dt = tau, dt
        return measured

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        is_open, saturated = ctx.saved_tensors
        return grad * is_open / ctx.tau, ctx.dt * (grad * saturated).sum(), None, None, None


def _norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, current: Signal) -> Signal:
    """Batch statistics of the mean currents while training, running ones else; the same for the currents over time."""
    mean, var = norm.running_mean, norm.running_var
    if norm.training:
        over = [d for d in range(current.representation.dim()) if d != 1]
        with torch.no_grad():
            var, mean = torch.var_mean(current.representation, over, correction=0)
    representation = norm(current.representation)
    with torch.no_grad():
        over_time = F.batch_norm(current.over_time, mean, var, norm.weight, norm.bias, False, 0.0, norm.eps)
    return Signal(representation, over_time)
