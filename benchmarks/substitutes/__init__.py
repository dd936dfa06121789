"""What every method puts in place of ReLU, batch norm and the head: a file per family, as in `benchmarks.catalogue`.

With `method.py` and `methods.py` the only room that imports `dsr` and `baselines`, but for `perf/`, `card/` and
`quantization/`, which measure or export their parts.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.method import Substitutes
from benchmarks.substitutes import (
    ann,
    clif,
    coded,
    conversions,
    counts,
    dsr,
    fine_tuned,
    ide,
    on_qcfs,
    online,
    quantized,
    stbp,
    tssl,
)

METHODS: Mapping[str, Substitutes] = {
    **ann.METHODS,
    **dsr.METHODS,
    **stbp.METHODS,
    **clif.METHODS,
    **conversions.METHODS,
    **coded.METHODS,
    **counts.METHODS,
    **fine_tuned.METHODS,
    **tssl.METHODS,
    **ide.METHODS,
    **on_qcfs.METHODS,
    **quantized.METHODS,
    **online.METHODS,
}
