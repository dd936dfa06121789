"""What a Slurm job asks for: options over profile over defaults, and one line for what Slurm could not use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.slurm.settings import Settings, profile, seconds_of, settings
from benchmarks.spec import BadInput

WHOLE = """
[slurm]
workers = 8
time = "1-12:00:00"
gpus = 2
cpus = 16
memory = "64G"
partition = "gpu"
warning = "5m"
requeues = 3
setup = ["module load cuda/12.4"]
price = 1.8
currency = "EUR"
options = { account = "lab42", qos = "long" }
"""


def in_profile(folder: Path, text: str, options: tuple[str, ...] = (), **given: Any) -> Settings:
    (folder / "dsr-bench.toml").write_text(text, encoding="utf-8")
    return settings(given, options, folder)


def test_without_a_profile_and_options_there_are_defaults(tmp_path: Path) -> None:
    assert settings({"workers": None}, (), tmp_path) == Settings()


def test_a_profile_names_every_setting(tmp_path: Path) -> None:
    options = {"account": "lab42", "qos": "long"}
    expected = Settings(
        8, 36 * 3600, 2, 16, "64G", "gpu", 300, 3, options, ("module load cuda/12.4",), 1.8, "EUR"
    )  # fmt: skip
    assert in_profile(tmp_path, WHOLE) == expected


def test_options_win_over_the_profile_each_by_itself(tmp_path: Path) -> None:
    found = in_profile(
        tmp_path, WHOLE, ("qos=short", "exclusive=true", "mail_user=a=b"), time="90m", gpus=0, workers=None
    )
    assert (found.workers, found.seconds, found.gpus, found.cpus) == (8, 5400, 0, 16)
    assert found.options == {"account": "lab42", "qos": "short", "exclusive": True, "mail-user": "a=b"}


def test_the_nearest_profile_upwards_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "dsr-bench.toml").write_text("[slurm]\nworkers = 5\n")
    assert settings({}, (), deep).workers == 5
    (tmp_path / "a" / "dsr-bench.toml").write_text("[slurm]\nworkers = 6\n")
    assert settings({}, (), deep).workers == 6
    assert profile(deep) == tmp_path / "a" / "dsr-bench.toml"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("4h", 14400), ("1.5h", 5400), ("2d", 172800), ("12:00:00", 43200), ("1-12:00:00", 129600)],
)
def test_times(text: str, seconds: int) -> None:
    assert seconds_of(text, "--time") == seconds


@pytest.mark.parametrize("text", ["", "90", "4 h", "0m", "0:00:00", "1:2:3", "12:60:00", "-1h", "1e3s", "٣h", 90, None])
def test_no_times(text: Any) -> None:
    with pytest.raises(BadInput, match=r"^--time must be a time above 0, as in 90m, 4h, 12:00:00 or 1-12:00:00, not"):
        seconds_of(text, "--time")


@pytest.mark.parametrize(("seconds", "minutes"), [(180, 3), (181, 4), (36 * 3600, 2160), (1, 1)])
def test_slurms_time_limit_is_whole_minutes_and_never_0(seconds: int, minutes: int) -> None:
    assert Settings(seconds=seconds).minutes == minutes


WRONG = [
    ("[slurm", (), {}, "dsr-bench.toml cannot be read: "),
    ("[slurms]", (), {}, "unknown table in * 'slurms' (did you mean 'slurm'?); allowed: slurm"),
    ("slurm = 3", (), {}, "slurm must be a table, [slurm]"),
    ("[slurm]\ngpu = 1", (), {}, "unknown key in * [slurm] 'gpu' (did you mean 'gpus'?); allowed: workers, time, gpus"),
    ("[slurm]\nworkers = 0", (), {}, "dsr-bench.toml: workers must be a whole number of at least 1, not 0"),
    ("[slurm]\ngpus = true", (), {}, "gpus must be a whole number of at least 0, not True"),
    ("[slurm]\nprice = nan", (), {}, "price must be a number of at least 0, not nan"),
    ("[slurm]\ntime = 240", (), {}, "time must be a time above 0"),
    ("[slurm]\nmemory = '32'", (), {}, "memory must be a whole number with K, M, G or T, as in 32G, not '32'"),
    ("[slurm]\nsetup = 'module load x'", (), {}, "setup must be a list of lines of shell"),
    ('[slurm]\npartition = "a\\nb"', (), {}, "partition must be a text of one line"),
    ("[slurm]\noptions = 'x'", (), {}, "options must be a table of sbatch's options"),
    ("[slurm]\noptions = { array = '0-3' }", (), {}, "options: array is set by the launcher"),
    ("", ("account",), {}, "--slurm must be key=value, as in account=lab42, not 'account'"),
    ("", ("account=",), {}, "--slurm: account must have a value of one line, not ''"),
    ("", ("-A=x",), {}, "--slurm: '-A' is no name of an sbatch option"),
    ("", ("signal=USR1@60",), {}, "--slurm: signal is set by the launcher"),
    ("", ("cpus_per_task=4",), {}, "--slurm: cpus-per-task is called cpus here (--cpus)"),
    ("", (), {"workers": 0}, "--workers must be a whole number of at least 1, not 0"),
    ("", (), {"time": "4"}, "--time must be a time above 0"),
    ("", (), {"time": "2m"}, "time: 120 s is too short for a warning 120 s before its end, * give at least 3m"),
    ('[slurm]\ntime = "2m"', (), {}, "dsr-bench.toml: time: 120 s is too short for a warning 120 s before its end, *"),
]


@pytest.mark.parametrize(("text", "options", "given", "said"), WRONG, ids=[wrong[-1][:40] for wrong in WRONG])
def test_mistakes(tmp_path: Path, text: str, options: tuple[str, ...], given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as raised:
        in_profile(tmp_path, text, options, **given)
    (line,) = str(raised.value).splitlines()
    assert all(part in line for part in said.split("*")), line
