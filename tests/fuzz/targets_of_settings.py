"""Settings and records beside results: a Slurm profile, energy constants, timings, histories, studies, claims."""

from __future__ import annotations

import json
import math
import tomllib
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import independent
from cases import NoAnswer, Target, Victim
from independent import canonical, name, number, pattern, truth
from independent_records import tree
from settings_files import TOML, write
from specimens import only, recorded
from spreadsheets import SPREADSHEET
from targets_of_rows import cells
from trees import JSON_OF_NAMES

import reports
from benchmarks.perf import record as perf_record
from benchmarks.regression import points
from benchmarks.slurm.settings import settings
from reports.inputs import published
from reports.studies import perf
from reports.studies.quantization_figures import SHOWN

RESULTS = Path(__file__).parents[2] / "results"
PROFILE = b"""[slurm]
workers = 8
time = "4h"
gpus = 1
cpus = 8
memory = "32G"
partition = "gpu"
warning = "2m"
requeues = 20
setup = ["module load cuda/12.4", "echo ready"]
price = 1.8
currency = "EUR"
options = { account = "lab42", qos = "long" }
"""
ENERGY = b"""[fp32]
mac_picojoules = 3.2
[int8]
ac_picojoules = 0.05
[our-chip]
name = "our chip, 28 nm"
mac_picojoules = 1.1
ac_picojoules = 0.2
[memory]
access = "points"
add_picojoules = 0.1
multiply_picojoules = 3.1
point_bytes = [0, 8192, 32768, 1048576]
point_picojoules = [0, 10, 20, 100]
leaky = ["dsr-lif", "stbp"]
"""


def toml(raw: bytes) -> Any:
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NoAnswer("it is no TOML") from None


def as_it_is(raw: bytes) -> bytes:
    """The same settings, written in one form."""
    found = toml(raw)
    if _texts(found) - {text for text in _texts(found) if text.isprintable()}:
        raise NoAnswer("a text has control characters")
    try:
        return write(found)
    except (ValueError, UnicodeEncodeError, RecursionError):
        raise NoAnswer("it has dates, or is too deep") from None


def _texts(found: Any) -> set[str]:
    inner = [*found.keys(), *found.values()] if isinstance(found, dict) else found if isinstance(found, list) else []
    return set().union(*map(_texts, inner)) | ({found} if isinstance(found, str) else set())


def profile_of(folder: Path) -> Any:
    return asdict(settings({}, (), folder))


def energies_of(folder: Path) -> Any:
    return cells(reports.read([folder / "quick.csv"], energy_path=folder / "chip.toml").contents.tables)


def timings_of(folder: Path) -> Any:
    (record,) = perf.read([folder / "perf.json"])
    return cells(perf.tables_of(record))


def baseline_of(folder: Path) -> Any:
    """What a comparison knows of a record: names of newer ones are ignored."""
    found = perf_record.read(folder / "perf.json")
    assert found
    known = {**found, "rates": {name: found["rates"].get(name) for name in RATES}}
    known["rows"] = [{name: row.get(name) for name in ROW} for row in found["rows"]]
    return {name: known.get(name) for name in RECORD}


def history_of(folder: Path) -> Any:
    return cells(reports.read([], history_paths=[folder / "history.csv"]).contents.tables)


def study_of(folder: Path) -> Any:
    return cells(reports.read([], study_paths=[folder / "quantization.csv"]).contents.tables)


def layers_study_of(folder: Path) -> Any:
    return cells(reports.read([], study_paths=[folder / "quantization-layers.csv"]).contents.tables)


def points_of(folder: Path) -> Any:
    return [asdict(point) for point in points.read(folder)]


def published_of(folder: Path) -> Any:
    frame = published.read(folder / "published.csv")
    return frame.astype(object).where(frame.notna(), None).values.tolist(), list(frame.columns)


TEXT, AMOUNT = independent.text, number()
SIGNED, COUNT = number(-math.inf), number(1, whole=True, empty=False)
HISTORY = {
    **dict.fromkeys(("started", "commit", "machine", "part", "group", "quantity"), name),
    "dirty": truth,
    "verdict": pattern("worse|changed|missing|failed|better|same|new|not compared", empty=False),
    "value": number(-math.inf, empty=False),
    "baseline": SIGNED,
    "limit": SIGNED,
    "unit": TEXT,
    "since": TEXT,
}
STUDY = {
    "study": name,
    "neuron": name,
    "tau": AMOUNT,
    "dt": AMOUNT,
    "alpha": number(empty=False),
    "timesteps": COUNT,
    "drive": name,
    "currents": COUNT,
    "current": SIGNED,
    "rate": AMOUNT,
    "mapping": AMOUNT,
    "error": SIGNED,
    **dict.fromkeys(("mean_error", "max_error", "limit_error", "bound"), AMOUNT),
    **dict.fromkeys(("representation_bias", "quantization_bias", "deviation_bias"), SIGNED),
}
SCALE = pattern("paper|short|workstation|laptop|smoke", empty=False)
LAYERS = {
    **dict.fromkeys(("key", "commit", "dataset", "network", "method", "layer"), name),
    "timesteps": COUNT,
    "seed": number(0, 2**32 - 1, whole=True, empty=False),
    "scale": SCALE,
    "neurons": COUNT,
    "images": COUNT,
    "ceiling": number(empty=False),
    "outside": number(high=1, empty=False),
    **dict.fromkeys(("representation_error", "quantization_error", "deviation_error"), number(empty=False)),
    **dict.fromkeys(("mapping", "representation_bias", "quantization_bias", "deviation_bias"), SIGNED),
}
POINTS = {
    **dict.fromkeys(("dataset", "network", "method", "key", "commit", "started", "machine", "device"), name),
    "torch": name,
    "data_sha256": name,
    "scale": SCALE,
    "timesteps": COUNT,
    "top1": number(high=100, empty=False),
    **dict.fromkeys(("epochs", "seed", "threads"), number(whole=True, empty=False)),
    "loss": number(empty=False),
}
PUBLISHED = {
    **dict.fromkeys(("table", "dataset", "label", "network"), name),
    **dict.fromkeys(("neuron", "timesteps", "method", "our_network", "source", "read_in", "remark"), TEXT),
    "accuracy": number(high=100, empty=False),
    "spread": number(high=100),
    "runs": number(1, whole=True),
}


def timings_canonical(raw: bytes) -> bytes:
    """A record whose names and types are an older or a newer record's."""
    found = tree(raw)
    parts = (found.get("rates"), found.get("rows")) if isinstance(found, dict) else ()
    if not parts or not isinstance(parts[0], dict) or not isinstance(parts[1], list):
        raise NoAnswer("it is no record")
    if not found["rows"] or not all(isinstance(row, dict) for row in found["rows"]):
        raise NoAnswer("it has no rows")
    _like(found, RECORD, ("python", "precision", "other_load_cores", "harness"))
    _like(found["rates"], RATES, ("weights_ms",))
    for row in found["rows"]:
        _like(row, ROW, ("ratios", "inference_ms_median"))
    if len({(row["subject"], row["T"]) for row in found["rows"]}) < len(found["rows"]):
        raise NoAnswer("it has a row twice")
    return json.dumps(found, sort_keys=True).encode()


RECORD = {
    **dict.fromkeys(("commit", "started", "machine", "device", "torch", "network", "python", "precision"), str),
    "dirty": (bool, type(None)),
    "threads": int,
    "batch": int,
    "rates": dict,
    "rows": list,
    "other_load_cores": (float, int, type(None)),
    "harness": (dict, type(None)),
}
RATES = {
    **dict.fromkeys(("float32_ms", "bfloat16_ms", "copied_bytes_per_second"), (float, int)),
    "lookup_ms": (float, int, type(None)),
    "neurons": int,
    "weights_ms": (float, int, type(None)),
}
ROW = {
    "subject": str,
    "T": int,
    "ratios": (dict, type(None)),
    **dict.fromkeys(("train_ms", "train_ms_median", "inference_ms", "inference_ms_median"), (float, int, type(None))),
    **dict.fromkeys(("peak_step_bytes", "firing_rate", "floor_ms"), (float, int, type(None))),
}


def _like(found: dict[str, Any], types: dict[str, Any], later: tuple[str, ...]) -> None:
    for key in found.keys() - types.keys():
        del found[key]  # a newer record's
    for key, value in found.items():
        if not isinstance(value, types[key]) or (isinstance(value, bool) and key != "dirty"):
            raise NoAnswer(f"{key} is {value!r}"[:80])
        if isinstance(value, str) and not value.isprintable():
            raise NoAnswer(f"{key} is {value!r}"[:80])
        if (isinstance(value, int | float) and not (0 <= value <= 1e308)) or (key == "T" and value < 1):
            raise NoAnswer(f"{key} is out of its range")
    if missing := set(types) - set(found) - set(later):
        raise NoAnswer(f"it lacks {missing}")


def some(path: str, lines: int) -> bytes:
    """The first lines of a committed file."""
    return b"".join((RESULTS / path).read_bytes().splitlines(keepends=True)[:lines])


def some_study() -> bytes:
    """Lines of every curve of the committed study."""
    heading, *lines = (RESULTS / "quantization.csv").read_bytes().splitlines(keepends=True)
    columns = heading.decode().split(",")
    curve = [columns.index(name) for name in ("study", "neuron", "dt", "timesteps", "drive")]
    counts = Counter[tuple[bytes, ...]]()
    kept = [heading]
    for line in lines:
        cells = line.split(b",")
        counts[at := tuple(cells[place] for place in curve)] += 1
        steps = int(cells[columns.index("timesteps")])
        if counts[at] <= 2 and (cells[0] != b"convergence" or steps <= 2) and (cells[0] != b"alpha" or steps in SHOWN):
            kept.append(line)
    return b"".join(kept)


def targets(scratch: Path) -> list[Target]:
    """Reports of rows with other constants, and what `of_tables` gives."""
    rows, energies = only(recorded(), "quick.csv"), [Victim("chip.toml", TOML, as_it_is)]
    files = {**rows, "chip.toml": ENERGY}
    return [Target("energy constants", files, energies, energies_of, scratch / "energy"), *of_tables(scratch)]


def of_tables(scratch: Path) -> list[Target]:
    """What is read without a run: settings, timings, and tables beside those of runs."""
    record = next((RESULTS / "perf").glob("amd-epyc-avx-512*.json")).read_bytes()
    history = next((RESULTS / "regression" / "history").glob("*.csv")).read_bytes()
    of_perf = [Victim("perf.json", JSON_OF_NAMES, timings_canonical)]
    profile = [Victim("dsr-bench.toml", TOML, as_it_is)]
    setting = ("study", "neuron", "tau", "dt", "alpha", "timesteps", "drive", "current")
    check = ("started", "commit", "part", "group", "quantity")
    layers, convergence = some("quantization-layers.csv", 40), some("regression/convergence.csv", 20)

    def of_table(path: str, content: bytes, checks: Any, identity: tuple[str, ...], read: Any) -> Target:
        victim = Victim(path, SPREADSHEET, canonical(checks, identity))
        return Target(path.rpartition("/")[2], {path: content}, [victim], read, scratch / path.replace("/", "-"))

    return [
        Target("Slurm profile", {"dsr-bench.toml": PROFILE}, profile, profile_of, scratch / "slurm"),
        Target("timings in a report", {"perf.json": record}, of_perf, timings_of, scratch / "perf"),
        Target("baseline of timings", {"perf.json": record}, of_perf, baseline_of, scratch / "baseline"),
        of_table("history.csv", history, HISTORY, check, history_of),
        of_table("quantization.csv", some_study(), STUDY, setting, study_of),
        of_table("quantization-layers.csv", layers, LAYERS, ("key", "layer"), layers_study_of),
        of_table("regression/convergence.csv", convergence, POINTS, ("key", "epochs"), points_of),
        of_table("published.csv", some("published.csv", 40), PUBLISHED, (), published_of),
    ]
