"""A run's weights as `model.safetensors`: tensors by name, and metadata that suffice to build the network again.

Metadata are text: `run` and `recipe` as JSON, `key`, `commit`, `classes`, `channels`, and, to be readable without JSON,
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
    """Return the numbers of classes and input channels. Raises BadInput if the weights do not show them."""
    first = next((value for value in state.values() if value.dim() == 4), None)
    last = state.get("readout.linear.weight")
    if first is None or last is None:
        raise BadInput("classes and channels are unknown: the weights have no convolution or no readout.linear")
    return len(last), first.shape[1]


def save(state: Mapping[str, Tensor], run: Run, recipe: Recipe, result: Result, target: Path) -> None:
    """Write the weights and their metadata."""
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
    """Load the network of a folder written by `dsr-bench card`, in evaluation mode: images `(B, C, H, W)` -> logits.

    Raises BadInput for a folder without such weights.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(place) / WEIGHTS
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = rebuilt(about)
        network.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"{path} does not contain weights written by this version of dsr-bench card: {one_line(error)}"
        ) from error
    return network.eval()


def rebuilt(about: Mapping[str, Any]) -> nn.Module:
    """Build the network that metadata describe, with fresh weights; the state of torch's generator does not change."""
    run, recipe = Run(**json.loads(about["run"])), Recipe(**json.loads(about["recipe"]))
    with torch.random.fork_rng(devices=[]):
        return build(run.network, run.method, run.timesteps, int(about["classes"]), int(about["channels"]), recipe)
