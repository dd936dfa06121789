"""Walks a network's graph. An engine defines the signals between layers and what each layer does to them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from dsr.engine.packed import trains_for
from dsr.engine.signals import Dense
from dsr.engine.trains import Trains
from dsr.neurons import Neuron
from dsr.representation import Rate

Observe = Callable[[str, Tensor], None]
"""Called with a layer of neurons' name and its spikes `(T, H, W)` by step and pixel, over all images and channels."""

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
ROWWISE = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Identity, nn.Flatten)


class Tracer(fx.Tracer):
    """Traces down to modules without children and the first layer."""

    def __init__(self, first_layer: type[nn.Module]) -> None:
        super().__init__()
        self.first_layer = first_layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.first_layer) or not any(m.children())


class Engine(fx.Interpreter):
    """Runs a network's graph on an engine's own signals instead of tensors.

    Linear layers, average pools, batch norms, additions, flattening, dropout and DSR neurons are supported. Any other
    layer raises NotImplementedError when it is reached. `observe`, if set, is called by the inference engine.
    """

    kind = "this engine"
    trains: Trains
    observe: Observe | None = None

    def __init__(self, network: nn.Module, first_layer: type[nn.Module]) -> None:
        super().__init__(fx.GraphModule(network, Tracer(first_layer).trace(network)))
        self.first_layer = first_layer
        self.timing, self.layers = timing(network), tuple(network.modules())
        self.drops = any(isinstance(module, nn.Dropout) and module.p > 0 for module in network.modules())
        self.timesteps, self.weights = self.timing.timesteps, self.timing.weights()

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.prepare(args[0])
        try:
            return super().run(*args, **kwargs)
        finally:
            self.env = {}  # the last values would keep their graph alive and prevent copies of the network

    def prepare(self, x: Tensor) -> None:
        """Choose the implementation of spike trains for the input `x`."""
        self.trains = trains_for(x, self.timesteps)

    def serves(self, x: Tensor) -> bool:
        """Whether to train on `x` with this engine; if not, the network itself has to do it or is faster."""
        return True

    def has_pre_hooks(self) -> bool:
        """Whether a layer has forward pre-hooks (pruning has), which engines skip, because they only read weights."""
        return any(layer._forward_pre_hooks for layer in self.layers)

    def first(self, layer: nn.Module, x: Tensor) -> Any:
        """Apply the layer that receives analog values: images `(B, C, H, W)` or frames `(T, B, C, H, W)`."""
        return Dense(layer(x.flatten(0, 1))) if x.dim() == 5 else Dense(layer(x), repeated=True)

    def linear(self, layer: nn.Module, signal: Any) -> Any:
        """Apply a convolution or fully connected layer."""
        raise NotImplementedError

    def rowwise(self, layer: nn.Module, signal: Any) -> Any:
        """Apply a linear layer without parameters that treats every row alike (pools, flattening)."""
        raise NotImplementedError

    def norm(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, signal: Any) -> Any:
        raise NotImplementedError

    def neuron(self, neuron: Neuron, signal: Any) -> Any:
        raise NotImplementedError

    def dropout(self, layer: nn.Dropout, signal: Any) -> Any:
        """Apply dropout in training mode; each step has its own mask."""
        raise NotImplementedError(f"dropout is not defined in {self.kind}")

    def add(self, left: Any, right: Any) -> Any:
        raise NotImplementedError

    def read(self, rate: Rate, signal: Any) -> Tensor:
        """Return the representation of a neuron's emitted values."""
        raise NotImplementedError

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module, value = self.fetch_attr(target), args[0]
        if isinstance(module, self.first_layer):
            layer = module.layer
            assert isinstance(layer, nn.Module)
            return self.first(layer, value)
        if isinstance(module, Neuron):
            module.project_threshold()
            return self.neuron(module, value)
        if isinstance(module, Rate):
            return self.read(module, value)
        if type(module) in NORMS:
            return self.norm(module, value)
        if isinstance(module, nn.Conv2d | nn.Linear):
            return self.linear(module, value)
        if isinstance(module, nn.Dropout):
            return self.dropout(module, value) if module.training and module.p > 0 else value
        if isinstance(module, ROWWISE):
            return value if isinstance(module, nn.Identity) else self.rowwise(module, value)
        raise NotImplementedError(f"{target}: {type(module).__name__} is not defined in {self.kind}")

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target not in (operator.add, operator.iadd, torch.add):
            raise NotImplementedError(f"{target} is not defined in {self.kind}")
        return self.add(*args)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target != "flatten":
            raise NotImplementedError(f"{target} is not defined in {self.kind}")
        signal, *dims = args
        return self.rowwise(nn.Flatten(*dims), signal)


def timing(network: nn.Module) -> Rate:
    """Return how representations are read. Raises ValueError unless all neurons share T, tau and dt."""
    rates = {(r.timesteps, r.tau, r.dt) for r in (n.rate() for n in network.modules() if isinstance(n, Neuron))}
    if len(rates) != 1:
        raise ValueError(f"the network's neurons must share T, tau and dt, not {sorted(map(str, rates))}")
    return Rate(*rates.pop())


def _momentum(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> float:
    """Count the batch, as a norm does in training, and return its weight in the running statistics."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if norm.momentum is None:
            return 1.0 / norm.num_batches_tracked.item()
    return norm.momentum or 0.0


def track(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update running statistics as torch does; `count` is the number of values per channel."""
    weight = _momentum(norm)
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.lerp_(mean, weight)
        norm.running_var.lerp_(variance * (count / max(1, count - 1)), weight)


def _is_hooked(network: nn.Module) -> bool:
    return any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


class EngineNetwork(nn.Module):
    """A network of DSR neurons run by engines: `training` in training mode, `inference` in evaluation mode.

    Parameters, buffers and their names are the network's. In evaluation mode the engine runs under `torch.no_grad()`.
    The network itself, with dense tensors `(T*B, ...)` between its layers, runs if gradients are enabled, under
    autocast, while it is traced, and if modules have hooks, but never inside `observed`. In training mode forward hooks
    are not called. If a layer has been replaced after wrapping, calls raise RuntimeError: wrap the network again.
    """

    def __init__(self, network: nn.Module, training: Engine, inference: Engine, arguments: tuple[Any, ...]) -> None:
        super().__init__()
        for name, child in network.named_children():
            self.add_module(name, child)
        # hidden in tuples, because registered modules would give every parameter a second name
        self._hidden, self._arguments = (network, training, inference), arguments
        self._children = tuple((m._modules, name, child) for m in self.modules() for name, child in m.named_children())

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the network; copies make their own engines, with `arguments` after the network."""
        own = {name: value for name, value in vars(self).items() if name not in ("_modules", "_hidden", "_children")}
        return type(self), (self._hidden[0], *self._arguments), own

    @contextmanager
    def observed(self, observe: Observe) -> Iterator[None]:
        """Inside the context, in evaluation mode, run the engine and call `observe` for every layer of neurons.

        Forward hooks of pools behind neurons are called too. Those of norms, neurons and layers fed by spikes are not.
        """
        _, _, inference = self._hidden
        if inference.has_pre_hooks():
            raise NotImplementedError("layers with forward pre-hooks cannot be observed: engines do not call them")
        inference.observe = observe
        try:
            yield
        finally:
            inference.observe = None

    def forward(self, x: Tensor) -> Tensor:
        network, training, inference = self._hidden
        for children, name, child in self._children:
            if children.get(name) is not child:
                raise RuntimeError(f"{name!r} has been replaced since the network was wrapped; wrap the network again")
        logits: Tensor
        if self.training:
            logits = training.run(x) if training.serves(x) else network(x)
        elif isinstance(x, fx.Proxy) or (not inference.observe and self._is_itself_wanted(x)):
            logits = network.forward(x)
        else:
            with torch.no_grad():
                logits = inference.run(x)
        return logits

    def is_packed(self, x: Tensor) -> bool:
        """Whether compiled kernels are used for the input `x`, in training and in evaluation."""
        _, *engines = self._hidden
        for engine in engines:
            engine.prepare(x)
        return all(type(engine.trains) is not Trains for engine in engines)

    def _is_itself_wanted(self, x: Tensor) -> bool:
        """Whether evaluation has to run the network layer by layer."""
        network, *_ = self._hidden
        return torch.is_grad_enabled() or torch.is_autocast_enabled(x.device.type) or _is_hooked(network)
