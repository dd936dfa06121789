"""Passwords and tokens, of addresses and of the environment, are in nothing that a run or a sweep leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import packed
from benchmarks.launching import process
from benchmarks.measurement.provenance import Code
from benchmarks.runs import store
from benchmarks.runs.job import job_of
from benchmarks.spec import Run

ROOT = Path(__file__).parents[1]
RUN = Run("digits", "preact-resnet-tiny", "ann", 1, 0, "smoke")
SECRETS = ("hunter2secret", "tok3nsecret", "pr0xysecret")
PLUG_IN = """
import os
from torch import nn
from benchmarks.method import Method

class Leaky(nn.ReLU):
    def forward(self, x):
        if self.training:
            raise OSError(f"no route to {os.environ['MLFLOW_TRACKING_URI']} with {os.environ['MLFLOW_TRACKING_TOKEN']}")
        return super().forward(x)

METHOD = Method("leaky", lambda timesteps: Leaky(), timeless=True)
"""


def test_the_reason_of_a_failure_tells_no_secret(tmp_path: Path) -> None:
    job = job_of(RUN, tmp_path)
    job.describe(None)
    process.failure(job, Code("abc", False), "failed", "OSError: no route to https://me:hunter2secret@host/x")
    text = (job.place / store.RESULT).read_text()
    assert "no route to https://***@host/x" in text
    assert "hunter2secret" not in text


def test_the_source_that_a_manifest_names_tells_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for colour, split in enumerate(("train", "test")):
        np.save(folder / f"{split}-images.npy", np.full((10, 32, 32, 3), colour, np.uint8))
        np.save(folder / f"{split}-labels.npy", np.arange(10))
    source = "https://me:hunter2secret@host/cifar10?token=tok3nsecret"
    (folder / "manifest.json").write_text(json.dumps({"source": source}))
    monkeypatch.setenv("DSR_DATA", str(tmp_path))
    assert packed.read("cifar10", 10).source == "https://***@host/cifar10?***"


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_fails_with_secrets_on_its_lips_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "leaky.py").write_text(PLUG_IN)
    settings = {
        "DSR_METHODS": str(tmp_path / "leaky.py"),
        "DSR_RESULTS": str(tmp_path / "results"),
        "MLFLOW_TRACKING_URI": "http://me:hunter2secret@127.0.0.1:9/?token=tok3nsecret",
        "MLFLOW_TRACKING_TOKEN": "tok3nsecret",
        "HTTP_PROXY": "http://me:pr0xysecret@127.0.0.1:9",
        "NO_PROXY": "",
    }
    words = ["run", "--dataset", "digits", "--network", "preact-resnet-tiny", "-T", "1", "--scale", "smoke"]
    for method, code in (("leaky", 1), ("ann", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *words, "--method", method],
            env=os.environ | settings,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    logs = [path.read_text() for path in tmp_path.glob("results/runs/*/leaky-*/log.txt")]
    assert ["no route to http://***@127.0.0.1:9/?*** with ***" in log for log in logs] == [True]
    kept = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert {"run.json", "result.json", "log.txt", "index.html"} <= {path.name for path in kept}
    for path in kept:
        found = [secret for secret in SECRETS if secret.encode() in path.read_bytes()]
        assert not found, f"{path}: {found}"
