"""A run's weights as `model.safetensors`: tensors by their names, and in its metadata what builds the network again.

Metadata are text: `run` and `recipe` as JSON, `key`, `commit`, `classes`, `channels`, and for who reads no JSON
`method`, `network`, `timesteps`, `dataset` and `scale`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.networks import build
from benchmarks.runs.record import Result, replacing
from benchmarks.spec import BadInput, Recipe, Run, one_line

WEIGHTS = "model.safetensors"


def sizes(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Classes and input channels of a network's weights. Raises BadInput for a network whose ends are not known."""
    first = next((value for value in state.values() if value.dim() == 4), None)
    last = state.get("readout.linear.weight")
    if first is None or last is None:
        raise BadInput("the weights hold no first convolution or no readout.linear: classes and channels are unknown")
    return len(last), first.shape[1]


def save(state: Mapping[str, Tensor], run: Run, recipe: Recipe, result: Result, target: Path) -> None:
    """Write the weights and what they are."""
    from safetensors.torch import save as packed

    classes, channels = sizes(state)
    named = {name: getattr(run, name) for name in ("method", "network", "timesteps", "dataset", "scale")}
    about = {"key": result.key, "commit": result.provenance.commit, "classes": classes, "channels": channels, **named}
    texts = {name: str(value) for name, value in about.items()}
    texts |= {"run": json.dumps(asdict(run)), "recipe": json.dumps(asdict(recipe))}
    tensors = {name: value.clone().contiguous() for name, value in state.items()}
    with replacing(target / WEIGHTS, "wb") as file:
        file.write(packed(tensors, texts))


def load(place: Path | str) -> nn.Module:
    """The network of a folder that `dsr-bench card` wrote, in evaluation mode: images `(B, C, H, W)` -> logits.

    Raises BadInput for a folder without such weights.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(place) / WEIGHTS
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = made(about)
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"{path} holds no weights that dsr-bench card of this version wrote: {one_line(error)}"
        ) from error
    return network.eval()


def made(about: Mapping[str, Any]) -> nn.Module:
    """The network that metadata describe, with weights of its own. Leaves torch's random numbers as they are."""
    run, recipe = Run(**json.loads(about["run"])), Recipe(**json.loads(about["recipe"]))
    with torch.random.fork_rng(devices=[]):
        return build(run.network, run.method, run.timesteps, int(about["classes"]), int(about["channels"]), recipe)
