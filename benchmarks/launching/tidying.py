"""What processes that were killed have left in the directories of runs that are done.

The next launcher that claims a run tidies up; but a run that is done is not claimed any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from benchmarks.files import partials
from benchmarks.files.claims import CLAIM, Claims
from benchmarks.runs import store
from benchmarks.runs.job import Job
from benchmarks.spec import BadInput


def tidy(done: Iterable[Job], results: Path) -> None:
    """Remove claims of the dead, their partial files and checkpoints; `done`: runs that have ended well.

    What cannot be removed stays: nobody needs it to be gone.
    """
    left = [job for job in done if _is_untidy(job.place)]
    if not left:
        return
    with suppress(BadInput, OSError), Claims(results) as claims:
        for job in left:
            if claim := claims.take(job.place):  # else somebody is at work there
                if job.is_done():
                    partials.withdraw(job.place / store.CHECKPOINT)
                claims.release(claim)


def _is_untidy(place: Path) -> bool:
    try:
        names = os.listdir(place)
    except OSError:  # a row counts whose directory is not here
        return False
    return any(name == store.CHECKPOINT or name.startswith(CLAIM) for name in names)
