"""STBP's neuron compiled for a CPU: one pass over all steps forward, one backward (see `baselines.stbp.neuron`)."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.stbp.dynamics import Dynamics

SOURCE = Path(__file__).with_name("stbp.c")


class Neuron(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("timesteps", "count")),
        *((name, ctypes.c_float) for name in ("threshold", "decay", "width")),
        *((name, ctypes.c_int32) for name in ("triangle", "soft", "detach")),
    )


class Compiled:
    """The two functions of the compiled `stbp.c` on dense float32 tensors `(T, ...)` of one layout, T outermost."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return self  # copies of a network share the library

    def forward(self, x: Tensor, dynamics: Dynamics) -> tuple[Tensor, Tensor]:
        """Return membranes and spikes, `(T, ...)` each."""
        membranes, spikes = torch.empty_like(x), torch.empty_like(x)
        self._call(self.library.forward, dynamics, x, membranes, spikes)
        return membranes, spikes

    def backward(self, grad: Tensor, membranes: Tensor, dynamics: Dynamics) -> Tensor:
        """Return dL/dx from dL/do, `(T, ...)`."""
        grad_x = torch.empty_like(grad)
        self._call(self.library.backward, dynamics, grad, membranes, grad_x)
        return grad_x

    def _call(self, function: Any, dynamics: Dynamics, *tensors: Tensor) -> None:
        neuron = Neuron(len(tensors[0]), tensors[0][0].numel(), *dynamics)
        pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
        function(ctypes.byref(neuron), *pointers, ctypes.c_int64(torch.get_num_threads()))
