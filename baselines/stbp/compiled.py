"""STBP's neuron on a CPU: all steps in one pass forward and one backward; the equations are in `baselines.stbp`."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from baselines.stbp.neuron import Dynamics

SOURCE = Path(__file__).with_name("stbp.c")


class _Neuron(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("timesteps", "count")),
        *((name, ctypes.c_float) for name in ("threshold", "decay", "width")),
        *((name, ctypes.c_int32) for name in ("triangle", "soft", "detach")),
    )


class Compiled:
    """The two functions of the compiled `stbp.c` on contiguous float32 tensors `(T, ...)`."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        return self  # a library is not copied with a network

    def forward(self, x: Tensor, of: Dynamics) -> tuple[Tensor, Tensor]:
        """Membranes and spikes."""
        membranes, spikes = torch.empty_like(x), torch.empty_like(x)
        self._call(self.library.forward, of, x, membranes, spikes)
        return membranes, spikes

    def backward(self, grad: Tensor, membranes: Tensor, of: Dynamics) -> Tensor:
        """dL/dx."""
        grad_x = torch.empty_like(grad)
        self._call(self.library.backward, of, grad, membranes, grad_x)
        return grad_x

    def _call(self, function: Any, of: Dynamics, *tensors: Tensor) -> None:
        neuron = _Neuron(len(tensors[0]), tensors[0][0].numel(), *of)
        pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
        function(ctypes.byref(neuron), *pointers, ctypes.c_int64(torch.get_num_threads()))
