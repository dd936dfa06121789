"""Import torchvision even if torch is a CPU build and torchvision a CUDA build.

In that case `import torchvision` fails because two operator schemas are missing. Declaring them is enough for data
sets, transforms and models (not for `torchvision.ops`). A healthy installation does not need this.
"""

from __future__ import annotations

__all__ = ["torchvision"]

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    import torch

    SCHEMAS = torch.library.Library("torchvision", "FRAGMENT")  # must stay alive
    for operator in ("nms", "qnms"):
        SCHEMAS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
import torchvision.datasets
