"""Slurm's commands, invented: scripts that note how they were called and answer from files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CONFIGURATION = "ClusterName             = invented\nMaxArraySize            = 1001\n"
COMMAND = """#!/bin/sh
echo "$(basename "$0") $*" >> "{folder}/calls"
test -f "{folder}/fails-$(basename "$0")" && {{ cat "{folder}/fails-$(basename "$0")" >&2; exit 1; }}
cat "{folder}/says-$(basename "$0")" 2>/dev/null
exit 0
"""


class Invented:
    """Slurm's commands on the PATH. `says`: what one prints from now on; `fails`: that it ends with 1, and says why."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("sbatch", "srun", "squeue", "scontrol", "scancel"):
            (folder / name).write_text(COMMAND.format(folder=folder))
            (folder / name).chmod(0o755)
        self.says("scontrol", CONFIGURATION)
        self.says("sbatch", "Submitted batch job 41\n")

    def says(self, command: str, text: str) -> None:
        (self.folder / f"says-{command}").write_text(text)

    def fails(self, command: str, text: str) -> None:
        (self.folder / f"fails-{command}").write_text(text)

    def calls(self, command: str) -> list[str]:
        """The words of every call of a command."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == command]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invented:
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Invented(folder)
