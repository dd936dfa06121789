"""One pytest session of benchmarks, in a process of its own, and pytest-benchmark's file of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Failed(RuntimeError):
    """pytest ended with this exit code; what it said has been printed."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the benchmarks ended with exit code {code}")
        self.code = code


def benchmarked(file: str, options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """pytest-benchmark's entries of a file in this folder, all durations included. Raises Failed.

    Our tests' settings (warnings are errors, time limits) are not for peers' code.
    """
    path = Path(__file__).with_name(file)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "benchmark.json"
        quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore", "-o", "filterwarnings=", "-o", "timeout=0"]
        words = [*quiet, "--benchmark-quiet", f"--benchmark-json={raw}", *options]
        # a worker of pytest-xdist, as this process may be, would benchmark nothing
        alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
        code = subprocess.run([sys.executable, "-m", "pytest", str(path), *words], env=alone, check=False).returncode
        if code:
            raise Failed(code)
        entries: list[dict[str, Any]] = json.loads(raw.read_text(encoding="utf-8"))["benchmarks"]
        return entries
