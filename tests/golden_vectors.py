"""Other people's numbers: `*.json` has each case's settings, `*.npz` its arrays under `case/name`.

`DSR_GOLDEN` names another folder of the same layout; what that lacks is read from here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).parent / "golden"
FOLDER = Path(os.environ.get("DSR_GOLDEN", HERE))

Cases = dict[str, tuple[dict[str, Any], dict[str, Tensor]]]


def read(name: str) -> Cases:
    """Settings and arrays by case. Files of released code keep their settings under `cases`, beside their `source`."""
    folder = FOLDER if (FOLDER / f"{name}.npz").exists() else HERE
    settings = json.loads((folder / f"{name}.json").read_text())
    settings = settings.get("cases", settings)
    arrays = np.load(folder / f"{name}.npz")
    cases: dict[str, dict[str, Tensor]] = {case: {} for case in settings}
    for path in arrays.files:
        case, array = path.split("/", 1)
        cases[case][array] = torch.from_numpy(arrays[path])
    return {case: (settings[case], cases[case]) for case in settings}


def begins(cases: Cases, *words: str) -> list[str]:
    """The cases whose names begin with one of these words."""
    return [case for case in cases if case.startswith(words)]


def folder(golden: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The arrays under `name/`."""
    return {k.removeprefix(f"{name}/"): v for k, v in golden.items() if k.startswith(f"{name}/")}
