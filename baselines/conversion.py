"""The spiking side of ANN-to-SNN conversion, common to all variants.

    v_t = v_{t-1} + x_t + shift theta / S + c,   s_t = [v_t >= theta],   v_t <- v_t - theta s_t,   emits theta s_t

with v_0 = start theta, and S = T unless stated. With a constant current x and c = 0 the rate after T = S steps is

    (theta / T) clip( floor(T x / theta + start + shift), 0, T )

so `start` = 1/2 (Bu et al. 2022) and `shift` = 1/2 (Deng & Gu 2021) both turn the floor into rounding, the first from
the first step on, the second only after T steps. c is a constant current per channel, set by bias correction (Li et
al. 2021).
"""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from baselines.checks import at_least, positive
from baselines.coding import BernoulliStep
from baselines.events import READ_ALL, Passed, Presimulation, Program
from baselines.events.paths import POOLS, Tracer, Unsupported, fed_by_sums
from baselines.wrapped import Wrapped

ADDITIONS = tuple(("call_function", add) for add in (operator.add, operator.iadd, torch.add))
THROUGH = (nn.modules.batchnorm._BatchNorm, nn.Identity, nn.Dropout)


class IF(nn.Module):
    """Integrate-and-fire neuron, for inference only; every call is one time step.

    `timesteps` T >= 1 is the length of a run; `threshold` theta; `start` and `shift` are in units of theta;
    `shift_steps` S >= 1 is the number of steps that a shift is spread over (None: T). A spike takes theta off the
    membrane, or, with a `hard_reset`, all of it. The membrane persists between calls until `reset()`.
    `(B, ...) -> (B, ...)`, values 0 or theta. Raises ValueError for T or S < 1 and theta <= 0.
    """

    threshold: Tensor
    correction: Tensor

    def __init__(
        self,
        timesteps: int,
        threshold: float = 1.0,
        start: float = 0.0,
        shift: float = 0.0,
        shift_steps: int | None = None,
        hard_reset: bool = False,
    ) -> None:
        super().__init__()
        at_least(1, timesteps=timesteps, shift_steps=timesteps if shift_steps is None else shift_steps)
        positive(threshold=threshold)
        self.timesteps, self.start, self.shift = timesteps, start, shift
        self.shift_steps, self.hard_reset = shift_steps or timesteps, hard_reset
        self.register_buffer("threshold", torch.tensor(float(threshold)))
        self.register_buffer("correction", torch.zeros(1))
        self.membrane: Tensor | None = None

    def spike_amplitude(self) -> float:
        """Return the height of an emitted spike, which the next layer's weights absorb."""
        return self.threshold.item()

    def leaks(self) -> int:
        """Return that a step multiplies nothing: membranes add up."""
        return 0

    def reset(self) -> None:
        """Start a new run."""
        self.membrane = None

    @property
    def own(self) -> Tensor:
        """The neuron's own constant current, one value or one per channel."""
        return self.correction + self.shift * self.threshold / self.shift_steps

    def driven(self, x: Tensor) -> Tensor:
        """Add the neuron's own constant current to `x`."""
        own = self.own
        return x + own.view(-1, *[1] * (x.dim() - 2))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        theta = self.threshold
        membrane = torch.full_like(x, self.start) * theta if self.membrane is None else self.membrane
        membrane = membrane.add_(self.driven(x))
        fires = membrane >= theta
        emitted = fires.to(x.dtype).mul_(theta)
        self.membrane = membrane.masked_fill_(fires, 0.0) if self.hard_reset else membrane.sub_(emitted)
        return emitted

    def extra_repr(self) -> str:
        return f"timesteps={self.timesteps}, start={self.start}, shift={self.shift} over {self.shift_steps} steps"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load a correction, which has one value per channel in a calibrated network, else one value."""
        stored = state_dict.get(prefix + "correction")
        if stored is not None:
            self.correction = self.correction.new_zeros(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Converted(Wrapped):
    """A network of IF neurons, simulated step by step; its logits are the mean over the steps.

    `network` maps one step, `(B, C, H, W)`, to that step's logits `(B, classes)`. Memory does not grow with T.
    Parameters, buffers and their names are the network's. In evaluation mode float32 images on a CPU are simulated by
    events if `library`, the compiled `events.SOURCE`, is given; `leaves` are analog modules that are not traced
    further. In training mode, for frames, on GPUs, with forward hooks, with hard resets and with random spikes the
    network itself runs. The output of the steps of `presimulation` is not read; neurons know what follows from
    them (`baselines.srp`). Runs that are no longer than these read them all.
    """

    steps_at_once = 1

    def __init__(
        self,
        network: nn.Module,
        timesteps: int,
        library: ctypes.CDLL | None = None,
        leaves: tuple[type[nn.Module], ...] = (),
        presimulation: Presimulation = READ_ALL,
    ) -> None:
        super().__init__(network)
        self.timesteps, self.library, self.leaves = timesteps, library, leaves
        self.presimulation = presimulation

    def forward(self, x: Tensor) -> Tensor:
        """Images `(B, C, H, W)` or frames `(T, B, C, H, W)` -> logits `(B, classes)`."""
        if isinstance(x, fx.Proxy):
            logits: Tensor = self._hidden[0].forward(x)
            return logits
        (end,) = self.trajectory(x, [self.timesteps])
        return end.logits

    def trajectory(self, x: Tensor, stops: Sequence[int]) -> Iterator[Passed]:
        """Yield the results of runs that end after each of the `stops` (ascending), if no parameter depends on T.

        Raises ValueError if some, but not all, of the stops are among the steps of `presimulation`.
        """
        program, first = self.program(x), self._first(stops)
        return program.run(x, stops, first) if program else self._every_neuron(x, stops)

    def _first(self, stops: Sequence[int]) -> Presimulation:
        if stops[0] <= self.presimulation.steps < stops[-1]:
            raise ValueError(
                f"no output is read in the first {self.presimulation.steps} steps, and a run ends after {stops[0]}"
            )
        return self.presimulation if stops[0] > self.presimulation.steps else READ_ALL

    def reset(self) -> None:
        """Start a new run of the network itself."""
        for one in _spiking(self._hidden[0]).values():
            one.reset()

    def step(self, x: Tensor) -> Tensor:
        """Run the network itself for one step: `(B, C, H, W)` -> that step's logits `(B, classes)`."""
        logits: Tensor = self._hidden[0](x)
        return logits

    def program(self, x: Tensor) -> Program | None:
        """Prepare the network for simulation by events; None if the network itself has to run."""
        plain = x.dim() == 4 and x.dtype == torch.float32 and x.device.type == "cpu" and x.numel() > 0
        if self.library is None or self.training or not plain or torch.is_autocast_enabled("cpu"):
            return None
        (network,) = self._hidden
        if any(module._forward_hooks or module._forward_pre_hooks for module in network.modules()):
            return None  # hooks expect modules to run
        if any(isinstance(one, BernoulliStep) or one.hard_reset for one in _spiking(network).values()):
            return None  # events know soft resets and constant currents
        try:
            return Program(self._graph(), IF, x[:1], self.library)
        except Unsupported:
            return None

    def _graph(self) -> fx.GraphModule:
        (network,) = self._hidden
        return fx.GraphModule(network, Tracer((IF, *self.leaves)).trace(network))

    def _fed_by_sums(self) -> list[str]:
        """Return the layers whose input is a sum; none in training, and if the network cannot be traced.

        Its operations cannot be counted then, either.
        """
        try:
            return [] if self.training else fed_by_sums(self._graph())
        except Exception:  # whatever a foreign layer does with a value that is not a tensor
            return []

    def _every_neuron(self, x: Tensor, stops: Sequence[int]) -> Iterator[Passed]:
        """Run the network itself, module by module."""
        (network,) = self._hidden
        emitted, pooled = dict[str, Tensor](), dict[str, Tensor]()
        by_step: dict[str, list[Tensor]] = {}
        spiking = _spiking(network)
        hooks = [neuron.register_forward_hook(_count(emitted, name, by_step)) for name, neuron in spiking.items()]
        pools = [(name, module) for name, module in network.named_modules() if isinstance(module, POOLS)]
        hooks += [module.register_forward_hook(_count(pooled, name)) for name, module in pools]
        for name in self._fed_by_sums():
            hooks.append(network.get_submodule(name).register_forward_hook(_count(pooled, name, entering=True)))
        self.reset()
        total, unread = torch.zeros(()), self._first(stops).steps
        try:
            for step in range(1, stops[-1] + 1):
                logits = self.step(x[step - 1] if x.dim() == 5 else x)
                total = logits if step == unread + 1 else total + logits
                if step in stops:
                    steps = {name: torch.stack(counts) for name, counts in by_step.items()}
                    yield Passed(step, total / (step - unread), dict(emitted), steps, dict(pooled))
        finally:
            for hook in hooks:
                hook.remove()


def _count(
    by_pixel: dict[str, Tensor], name: str, by_step: dict[str, list[Tensor]] | None = None, entering: bool = False
) -> Any:
    """Return a hook that adds up a layer's nonzero values, or those that enter it, by pixel and lists them by step."""

    def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        count = torch.count_nonzero(inputs[0] if entering else output, dim=(0, 1))
        by_pixel[name] = by_pixel[name] + count if name in by_pixel else count
        if by_step is not None:
            by_step.setdefault(name, []).append(count.sum())

    return hook


class Readout(nn.Module):
    """A neuron on each logit (Deng & Gu 2021): `(B, features)` -> one step's `(B, classes)`, 0 or the threshold.

    Negative logits become 0, and sums over time stay below the threshold, which is the largest logit of the ANN.
    """

    def __init__(self, features: int, classes: int, neuron: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        self.neuron = neuron()

    def forward(self, x: Tensor) -> Tensor:
        emitted: Tensor = self.neuron(self.linear(x))
        return emitted


def leave_additions_unshifted(network: nn.Module, leaves: tuple[type[nn.Module], ...]) -> nn.Module:
    """Take the shift from neurons whose current is a sum of two branches (Deng & Gu 2021). Returns the network.

    `leaves`: analog modules that are not traced further. Norms between a sum and a neuron do not matter.
    """
    graph = fx.GraphModule(network, Tracer((IF, *leaves)).trace(network))
    for node in graph.graph.nodes:
        module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, IF):
            source = node.all_input_nodes[0]
            while source.op == "call_module" and isinstance(graph.get_submodule(str(source.target)), THROUGH):
                source = source.all_input_nodes[0]
            if (source.op, source.target) in ADDITIONS:
                module.shift = 0.0
    return network


def neurons(network: nn.Module) -> dict[str, IF]:
    """Return the spiking neurons by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, IF)}


def _spiking(network: nn.Module) -> dict[str, IF | BernoulliStep]:
    """Return by name what emits spikes and has a state: the neurons, and what makes random spikes of images."""
    return {name: module for name, module in network.named_modules() if isinstance(module, IF | BernoulliStep)}
