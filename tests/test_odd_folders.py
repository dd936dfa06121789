"""A clone, a cache and a results folder whose names hold spaces and letters that are not ASCII."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invented_spikes import needs_kernels

from benchmarks.runs.record import read_csv
from dsr.engine import kernels

ROOT = Path(__file__).parents[1]
ODD = "sp ace ünï"


def test_tox_is_given_no_path_that_a_space_would_cut(tmp_path: Path) -> None:
    """tox splits the lines of these settings at spaces after it has put paths in: only relative ones survive."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    for name in parser.sections():
        for setting in ("constraints", "deps", "requirements"):
            for line in filter(None, parser[name].get(setting, "").splitlines()):
                placed = line.replace("{tox_root}", f"/{ODD}").replace("{toxinidir}", f"/{ODD}")
                assert shlex.split(placed) == shlex.split(line), f"[{name}] {setting} = {line}"
    assert (ROOT / parser["testenv:bench"]["constraints"]).is_file()


def test_no_environment_of_tox_calls_tox_by_name() -> None:
    """Of `python -m tox` and `uvx tox` none is on the PATH."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    settings = [parser[name].get(word, "") for name in parser.sections() for word in ("commands", "commands_pre")]
    calls = [line for setting in settings for line in setting.splitlines() if "tox" in line.split("--")[0].split()]
    assert calls == ["{host_python} -m tox run -q -e bench --notest"]
    assert "{host_python}" in parser["testenv"]["allowlist_externals"].split()


@pytest.mark.skipif(not shutil.which("tox"), reason="tox is not installed here")
def test_tox_runs_its_python_in_a_folder_with_a_space(tmp_path: Path) -> None:
    (odd := tmp_path / ODD).mkdir()
    for name in ("tox.ini", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, odd)
    words = ["tox", "config", "-e", "bench,quick,lint", "-k", "constraints", "commands"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TOX")}
    said = subprocess.run(words, cwd=odd, env=outside, capture_output=True, check=True, encoding="utf-8").stdout
    assert f"'{odd}/.tox/bench/bin/python' -m benchmarks sweep quick" in said
    assert f"'{odd}/.tox/bench/bin/lint-imports'" in said


@pytest.mark.slow
@needs_kernels
def test_kernels_compile_in_such_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (odd := tmp_path / ODD).mkdir()
    for file in (kernels.SOURCE, *kernels.HEADERS):
        shutil.copy(file, odd)
    monkeypatch.setenv("XDG_CACHE_HOME", str(odd / "ca che"))
    kernels.load.cache_clear()
    try:
        library, reason = kernels.load(*(odd / file.name for file in (kernels.SOURCE, *kernels.HEADERS)))
        assert (library is not None, reason) == (True, "")
        assert list((odd / "ca che" / "dsr-bench").glob("*.so"))
    finally:
        kernels.load.cache_clear()


@pytest.mark.slow
@pytest.mark.long
def test_a_run_ends_well_in_such_a_folder_where_the_system_knows_ascii_alone(tmp_path: Path) -> None:
    results, locale = tmp_path / ODD, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    locale["PYTHONIOENCODING"] = ""  # as if it were not set: tox sets it to UTF-8
    chosen = {"DSR_RESULTS": str(results), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "DSR_TRACKING": "off"}
    words = ["-m", "benchmarks", "sweep", "quick", "--methods", "ann", "--seeds", "0"]
    said = subprocess.run([sys.executable, *words], cwd=tmp_path, env=os.environ | chosen | locale, capture_output=True)
    assert said.returncode == 0, said.stderr.decode(errors="replace")
    assert [row["status"] for row in read_csv(results / "smoke" / "quick.csv")] == ["done"]
    page = (results / "reports" / "quick-smoke" / "index.html").read_text(encoding="utf-8")
    assert "±" in page or "–" in page  # as itself, whatever the terminal can show
    assert b" + 1/1  ann T=1 seed 0" in said.stdout
