"""Which methods represent a family in the paper's comparisons, fixed in `benchmarks.catalogue`, not by how they do.

DSR: both neurons with the released gradient. Surrogate gradient: STBP-tdBN, the one method of Tab. 1's family that
Tab. 2 has on CIFAR-10, ImageNet and DVS-CIFAR10, with its authors' neuron. Conversion: those of Tab. 2 that are
implemented here: RMP (Han et al. 2020; threshold balancing with a reset by subtraction) and Deng & Gu (ICLR 2021).
Calibration (ICML 2021) is in no table of the paper, QCFS (ICLR 2022) came later: controls, like STBP-tdBN with
another surrogate and reset.
"""

from __future__ import annotations

from benchmarks.catalogue import BUILT_IN
from benchmarks.catalogue.facts import Family, Role


def _labels(family: Family, role: Role) -> dict[str, str]:
    """The label of each method that plays a role for its family."""
    return {name: m.label for name, m in BUILT_IN.items() if (m.family, m.role) == (family, role)}


DSR = _labels("DSR", "representative")
TWINS = _labels("DSR", "twin")
"""Not the released gradient: asked the same, in lines of their own."""
HYBRID = tuple(_labels("DSR", "hybrid"))
"""DSR on ImageNet."""
SURROGATE = tuple(_labels("surrogate gradient", "representative"))
CONVERSIONS = tuple(_labels("conversion", "representative"))
CONTROL_CONVERSIONS = tuple(_labels("conversion", "control"))
CONTROLS = (*_labels("surrogate gradient", "control"), *CONTROL_CONVERSIONS)
FAMILIES = {"conversion": CONVERSIONS, "surrogate gradient": SURROGATE, "DSR": tuple(DSR)}
