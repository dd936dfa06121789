"""A real Slurm on this machine for as long as a test takes: one controller, two nodes, no accounting, no munge.

`python tests/slurm/host.py` installs what it needs (Debian or Ubuntu, root).
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins")
NODES = ("n1", "n2")
PATIENCE_SECONDS = 600.0
SECONDS_OF_A_CREDENTIAL = 3.0

CONFIGURATION = """
ClusterName=dsr-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
ReturnToService=2
KillWait=20
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 State=UNKNOWN\n"


def lacking() -> str:
    """Why no Slurm can be started here; empty where one can."""
    if missing := [name for name in ("slurmctld", "slurmd", "sbatch", "srun") if not shutil.which(name)]:
        return f"{', '.join(missing)} not found: `tox -e slurm` installs Slurm and runs this"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root here"


class Host:
    """A Slurm whose files lie in a folder; commands reach it through `environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.file)}
        host = platform.node().partition(".")[0]
        text = CONFIGURATION.format(host=host, port=free_port(), folder=folder)
        self.file.write_text(text + "".join(NODE.format(name=name, host=host, port=free_port()) for name in NODES))
        self.pending = dict[str, float]()
        (folder / "state").mkdir()
        self.controller = self.started("slurmctld", "-D", "-c")
        self.nodes = {name: self.started("slurmd", "-D", "-N", name) for name in NODES}
        self.wait(self.is_idle, 60)

    def started(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "daemons.log").open("ab") as log:
            return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def restart_controller(self, meanwhile_seconds: float) -> None:
        """End the controller and start another one, which reads what it has saved."""
        self.controller.terminate()
        self.controller.wait(60)
        time.sleep(meanwhile_seconds)
        self.controller = self.started("slurmctld", "-D")
        self.wait(lambda: "UP" in self.said("scontrol", "ping", check=False), 60)

    def said(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def is_idle(self) -> bool:
        """Whether all nodes can take jobs, and none has one."""
        return self.said("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(NODES)

    def jobs(self, *states: str) -> list[str]:
        """Ids of all jobs that wait or run, or of those in these states."""
        lines = self.said("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return [words[0] for words in map(str.split, lines) if not states or words[1] in states]

    def processes(self, job: str, *nodes: str) -> list[int]:
        """The Python processes of a job on these nodes, or on all; those of Slurm itself are left out."""
        said = [self.said("scontrol", "listpids", job, node, check=False) for node in nodes or NODES]
        listed = map(int, re.findall(r"^(\d+) ", "\n".join(said), re.MULTILINE))
        return [one for one in listed if is_python(one)]

    def released(self) -> list[str]:
        """All jobs, of which those that have been requeued can start soon: Slurm would hold them for two minutes.

        They wait for a few seconds all the same: a job that starts in the second in which it was requeued has the
        credential that Slurm has just revoked, and Slurm ends it.
        """
        waiting = self.jobs("PENDING")
        self.pending = {job: self.pending.get(job, time.monotonic()) for job in waiting}
        for job in waiting:
            if time.monotonic() - self.pending[job] > SECONDS_OF_A_CREDENTIAL:
                self.said("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)  # it may have started
        return self.jobs()

    def wait(self, until: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, f"not within {seconds:.0f} s; {self.folder} has the daemons' logs"
            time.sleep(0.2)

    def stop(self) -> None:
        """End all jobs, then the daemons; a node that has a job left does not end by itself."""
        self.said("scancel", "--user=root", check=False)
        end = time.monotonic() + 60
        while self.jobs() and time.monotonic() < end:
            time.sleep(0.2)
        daemons = (*self.nodes.values(), self.controller)
        for daemon in daemons:
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def is_python(process: int) -> bool:
    """Whether a process lives and is Python."""
    try:
        return "python" in (Path("/proc") / str(process) / "cmdline").read_text()
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def slurm_in(folder: Path) -> Iterator[Host]:
    """A Slurm that ends with the context, and its jobs with it."""
    host = Host(folder)
    try:
        yield host
    finally:
        host.stop()


def install(packages: Sequence[str] = PACKAGES) -> int:
    """Install Slurm if it is not here. Returns apt's exit code."""
    if not lacking():
        return 0
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "update"], env=quiet, check=True)
    return subprocess.run(
        ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages], env=quiet
    ).returncode


if __name__ == "__main__":
    sys.exit(install())
