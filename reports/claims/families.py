"""Which methods stand for a family in the paper's comparisons, fixed here and not by how they do.

DSR: both neurons with the released gradient. Surrogate gradient: STBP-tdBN, the one method of Tab. 1's family that
Tab. 2 has on CIFAR-10, ImageNet and DVS-CIFAR10, with its authors' neuron. Conversion: those of Tab. 2 that are
implemented here: RMP (Han et al. 2020; threshold balancing with a reset by subtraction) and Deng & Gu (ICLR 2021).
Calibration (ICML 2021) stands in no table of the paper, QCFS (ICLR 2022) came later: controls, like STBP-tdBN with
another surrogate and reset.
"""

from __future__ import annotations

DSR = {"dsr-if": "IF", "dsr-lif": "LIF"}
TWINS = {"dsr-if-rep": "IF, representation space", "dsr-lif-rep": "LIF, representation space"}
"""Not the released gradient: asked the same, in lines of their own."""
HYBRID = ("dsr-if-hybrid",)
"""DSR on ImageNet."""
SURROGATE = ("stbp-tdbn",)
CONVERSIONS = ("threshold-balancing", "deng-gu")
CONTROLS = ("stbp-tdbn-tuned", "threshold-balancing-half", "calibration", "qcfs", "qcfs-l8")
CONTROL_CONVERSIONS = CONTROLS[1:]
FAMILIES = {"conversion": CONVERSIONS, "surrogate gradient": SURROGATE, "DSR": tuple(DSR)}
