"""The harness: one network, trained by every method, measured the same way."""

import os

__version__ = "0.1.0"

# Methods that keep dense tensors over time allocate tens of MiB at once; in huge pages their steps take up to a third
# less (T = 20, two cores). Torch reads this at its first allocation, so it is set before anything imports torch.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# A thread that waits for the others sleeps. By default it spins, and where two processes share the cores each slows the
# other's last thread down (2.5 times on two cores). OpenMP reads this when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
