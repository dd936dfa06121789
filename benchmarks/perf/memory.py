"""Peak memory of one training step above the idle process; on a CPU in a separate process, so that it starts clean."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.connection import Connection

from benchmarks.launching import out_of_memory
from benchmarks.measurement.metering import WARM_UP_STEPS, idle_memory, peak_memory
from benchmarks.perf.subjects import Setting, device, training_step


def peak_step_bytes(setting: Setting) -> int:
    """Return how far one step raises the peak resident size (CPU) or allocation (GPU) above idle memory, in bytes.

    Raises MemoryError if memory runs out, RuntimeError if the process ends for another reason.
    """
    if device().type == "cuda":
        return _measure(setting)
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    context.set_forkserver_preload(["benchmarks.perf.memory", "torch._dynamo"])
    receiver, sender = context.Pipe(duplex=False)
    kills = out_of_memory.kills()
    process = context.Process(target=_report, args=(setting, sender))  # type: ignore[attr-defined]
    process.start()
    sender.close()
    try:
        measured: int | Exception = receiver.recv()
    except EOFError:
        process.join()
        status, _ = out_of_memory.ending(process.exitcode, kills)
        said = f"the process that measures memory has ended with exit code {process.exitcode}"
        raise (MemoryError if status == "out-of-memory" else RuntimeError)(said) from None
    finally:
        process.join()
    if isinstance(measured, Exception):
        raise measured
    return measured


def _report(setting: Setting, to: Connection) -> None:
    try:
        to.send(_measure(setting))
    except Exception as error:
        to.send(MemoryError(str(error)) if out_of_memory.means(error) else RuntimeError(repr(error)))


def _measure(setting: Setting) -> int:
    memory = idle_memory(device())
    step = training_step(setting)
    for _ in range(WARM_UP_STEPS - 1):
        step()
    with peak_memory(memory, device()):
        step()
    assert memory.peak is not None
    return memory.peak - memory.idle
