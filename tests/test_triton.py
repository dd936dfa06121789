"""The GPU's neurons against their definition in torch: compiled on a GPU, in Triton's interpreter without one."""

from __future__ import annotations

import pytest
import torch
from invented_spikes import seeded

from baselines import stbp
from dsr.dynamics import simulate

pytest.importorskip("triton", reason="Triton is not installed (torch for CUDA brings it along)")

from baselines.stbp import triton
from dsr import triton_neurons

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("leak", [1.0, 0.9])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("repeated", [False, True])
def test_dsr_neurons_fire_as_defined(leak, channels_last, repeated):
    x = seeded(4 * 3, 5, 7, 10).to(DEVICE)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    currents = x[:3].expand(4, 3, 5, 7, 10) if repeated else x.view(4, 3, 5, 7, 10)
    threshold, height = torch.tensor(0.8, device=DEVICE), torch.tensor(1.6, device=DEVICE)
    for dtype in (torch.float32, torch.bool):
        emitted = torch.empty_like(currents, dtype=dtype)
        triton_neurons.fire(currents, emitted, threshold, height, 0.5, leak, 1.7)
        expected = torch.stack(list(simulate(currents, threshold, 0.5, leak, 1.7)))
        assert 0.1 < expected.mean() < 0.9
        assert torch.equal(emitted > 0, expected > 0)
        assert emitted.to(torch.float32).amax() == (1.0 if dtype == torch.bool else height)


@pytest.mark.parametrize("triangle", [False, True])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("detach", [False, True])
def test_surrogate_neurons_fire_and_differentiate_as_defined(triangle, soft, detach):
    of = stbp.Dynamics(0.5, 0.4, 1.3, triangle, soft, detach)
    x, grad = seeded(6, 1500).to(DEVICE), seeded(6, 1500, seed=1).to(DEVICE)
    membranes, spikes = stbp._forward(x, of)
    found = triton.forward(x, of)
    assert torch.allclose(found[0], membranes, atol=1e-6)
    assert torch.equal(found[1], spikes)
    assert torch.allclose(triton.backward(grad, membranes, of), stbp._backward(grad, membranes, of), atol=1e-5)
