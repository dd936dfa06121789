"""CSV files read again, by rules of their own: what each column may hold is written here, not taken from the library.

`rows`, `layers`, ... return a file's content in one form, or raise NoAnswer where it makes no sense. A number is
spelled with digits, one point and one exponent at most.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Mapping

from cases import NoAnswer

Check = Callable[[str], str]
Lines = list[dict[str, str]]

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number(low: float = 0.0, high: float = math.inf, whole: bool = False, empty: bool = True) -> Check:
    """A finite number within these bounds, both included."""

    def check(cell: str) -> str:
        if not cell and empty:
            return ""
        if len(cell) > 400 or not NUMBER.fullmatch(cell.strip()):
            raise NoAnswer(f"{cell[:30]!r} is no number")
        value = float(cell)
        if not (math.isfinite(value) and low <= value <= high) or (whole and (value % 1 or value > LARGEST)):
            raise NoAnswer(f"{cell[:30]!r} is out of its range")
        return str(int(value)) if whole else repr(value)

    return check


def pattern(form: str, empty: bool = True) -> Check:
    def check(cell: str) -> str:
        if (cell or not empty) and not re.fullmatch(form, cell, re.ASCII):
            raise NoAnswer(f"{cell[:30]!r} is not of the form {form}")
        return cell

    return check


def text(cell: str) -> str:
    """Any text of one line."""
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cell):
        raise NoAnswer(f"{cell[:30]!r} has control characters")
    return cell


def name(cell: str) -> str:
    if not cell:
        raise NoAnswer("a name is empty")
    return text(cell)


def truth(cell: str) -> str:
    if cell.lower() not in ("", "true", "false"):
        raise NoAnswer(f"{cell!r} is neither true nor false")
    return cell.title()


def key(cell: str) -> str:
    """A name of a run, and nothing that a spreadsheet makes of one. What it names is another matter."""
    number = re.fullmatch(r"\d+[.,]\d+.*|\d+E\+?\d+|\d{5,15}|\d{17,}", cell, re.ASCII)
    if number and not re.fullmatch("[0-9a-f]{16}", cell):
        raise NoAnswer(f"{cell[:30]!r} is a number")
    return text(cell)


def named_key(cell: str) -> str:
    return key(name(cell))


def lines_of_text(cell: str) -> str:
    text(" ".join(cell.split()))
    return cell


def loss(cell: str) -> str:
    """A mean of test losses, which may be infinite; a run whose training loss is has failed."""
    return cell.strip().lower() if cell.strip().lower() in ("inf", "nan") else number()(cell)


LARGEST = 2.0**53
WHOLE, PERCENT = number(whole=True), number(high=100.0)
OF_RUNS: Mapping[str, Check] = {
    **dict.fromkeys(("dataset", "network", "method"), name),
    **dict.fromkeys(("reason", "train_joules_source", "commit", "started", "machine", "device"), text),
    **dict.fromkeys(("python", "torch", "data_source", "kernels", "data_sha256"), text),
    **dict.fromkeys(("top1", "top1_best", "top1_validation_selected", "validation_top1"), PERCENT),
    "test_loss": loss,
    **dict.fromkeys(("train_loss", "initial_threshold", "analog_macs", "analog_macs_every_step", "acs"), number()),
    "quantized_macs": number(),
    **dict.fromkeys(("epochs", "train_images", "parameters", "dense_macs_per_step", "padded_macs_per_step"), WHOLE),
    **dict.fromkeys(("neuron_updates", "peak_step_bytes", "idle_bytes", "peak_reserved_bytes"), WHOLE),
    "activation_bits": WHOLE,
    **dict.fromkeys(("train_seconds", "train_cpu_seconds", "train_step_ms", "train_step_ms_iqr"), number()),
    **dict.fromkeys(("test_images_per_second", "other_load_cores", "core_gflops", "train_joules"), number()),
    **dict.fromkeys(("weights_sha256", "parent_sha256", "predictions_sha256"), text),
    "key": named_key,
    "parent_key": key,
    "timesteps": number(1, 2**20, whole=True, empty=False),
    "seed": number(0, 2**32 - 1, whole=True, empty=False),
    "scale": pattern("paper|short|workstation|laptop|smoke", empty=False),
    "status": pattern("done|failed|out-of-memory", empty=False),
    "test_images": number(1, whole=True),
    "firing_rate": number(high=1.0),
    "threads": number(1, whole=True),
    "dirty": truth,
}
OF_LAYERS: Mapping[str, Check] = {
    "key": name,
    "layer": name,
    "origin": text,
    "kind": pattern("ac|sum|mac", empty=False),
    "operation": pattern("conv|transposed|linear|add|pool|temporal", empty=False),
    **dict.fromkeys(("in_channels", "out_channels", "groups", "out_height", "out_width"), number(1, whole=True)),
    **dict.fromkeys(("kernel", "stride", "timesteps", "analog_repeats"), number(1, whole=True)),
    **dict.fromkeys(("weights", "biases", "dense_macs_per_step", "padded_macs_per_step", "output_neurons"), WHOLE),
    **dict.fromkeys(("operations", "operations_graded_pool", "input_nonzero", "output_spikes"), number()),
}
OF_CURVES: Mapping[str, Check] = {
    "key": name,
    "epoch": number(1, whole=True, empty=False),
    **dict.fromkeys(("train_seconds", "train_joules", "train_cpu_seconds", "train_loss"), number()),
    **dict.fromkeys(("test_top1", "validation_top1"), PERCENT),
}
OF_EPOCHS = {name: check for name, check in OF_CURVES.items() if name != "key"}
"""What an export reads of the curve in a run's directory."""
NEEDED_WHOLE = number(whole=True, empty=False)
OF_LEDGER: Mapping[str, Check] = {
    "layer": name,
    "origin": text,
    "kind": pattern("ac|sum|mac", empty=False),
    "operation": text,
    "neuron": text,
    **dict.fromkeys(("in_channels", "out_channels", "kernel", "stride", "groups", "out_height", "out_width"), WHOLE),
    **dict.fromkeys(("weights", "biases", "timesteps", "analog_repeats"), WHOLE),
    "images": number(1, whole=True, empty=False),
    **dict.fromkeys(("dense_macs_per_step", "padded_macs_per_step", "operations"), NEEDED_WHOLE),
    **dict.fromkeys(("operations_every_step", "operations_nonzero", "operations_graded_pool", "pool_additions"), WHOLE),
    **dict.fromkeys(("input_nonzero", "pooled_nonzero", "bias_accumulates", "output_neurons"), WHOLE),
    **dict.fromkeys(("output_nonzero", "neuron_updates"), WHOLE),
}
OF_RATES: Mapping[str, Check] = {
    "layer": name,
    **dict.fromkeys(("step", "spikes", "neurons", "images"), NEEDED_WHOLE),
}


def lines(raw: bytes, checks: Mapping[str, Check], later: Collection[str] = ()) -> Lines:
    """The rows of a table with these columns, in any order and with others beside them; `later` ones may be missing."""
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NoAnswer("it is not UTF-8") from None
    if "\0" in content or re.search("^(<<<<<<<|>>>>>>>) ", content, re.MULTILINE):
        raise NoAnswer("it is binary, or a merge that is not resolved")
    try:
        first, *rest = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row]
    except (csv.Error, ValueError):
        raise NoAnswer("it is no table") from None
    if not rest:
        return []
    wanted = [name for name in first if name in checks]
    if len(set(wanted)) < len(wanted) or set(checks) - set(wanted) - set(later):
        raise NoAnswer("columns are missing, or there twice")
    if any(cell not in checks and cell.strip().lower() in set(checks) - set(wanted) for cell in first):
        raise NoAnswer("a column is misspelled")
    if any(len(row) != len(first) for row in rest):
        raise NoAnswer("rows are of several lengths")
    found = [dict(zip(first, row, strict=True)) for row in rest]
    return [{name: check(row[name]) if name in row else "" for name, check in checks.items()} for row in found]


def written(found: Lines, checks: Collection[str]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(checks), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue().encode()


def canonical(
    checks: Mapping[str, Check],
    identity: Collection[str] = (),
    more: Callable[[Lines], None] = lambda found: None,
    later: Collection[str] = (),
) -> Callable[[bytes], bytes]:
    """A reader of such a table. No two lines have the same values in the columns of `identity`."""

    def read(raw: bytes) -> bytes:
        found = lines(raw, checks, later)
        more(found)
        if identity and len({tuple(line[name] for name in identity) for line in found}) < len(found):
            raise NoAnswer(f"two lines have the same {' and '.join(identity)}")
        return written(found, checks)

    return read


def _runs(found: Lines) -> None:
    keys: dict[str, dict[str, str]] = {}
    for line in found:
        if line["status"] == "done" and not line["top1"]:
            raise NoAnswer("a run is done and has no accuracy")
        if line["parent_key"] == line["key"]:
            raise NoAnswer("a run is its own parent")
        before = keys.setdefault(line["key"], line)
        if before["top1"] != line["top1"] and before["status"] == line["status"] == "done":
            raise NoAnswer("a key has two contents")
        if any(before[n] != line[n] for n in ("dataset", "network", "method", "timesteps", "seed", "scale")):
            raise NoAnswer("a key names two runs")


def found_in_a_folder(read: Callable[[bytes], bytes]) -> Callable[[bytes], bytes | None]:
    """A reader of files that a folder is searched for: one without our columns is somebody else's, and left alone."""

    def read_ours(raw: bytes) -> bytes | None:
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        head = raw.decode(encoding, "replace").replace("\0", "")
        heads = [line for line in head.splitlines() if line.strip() and not re.match("(<<<<<<<|>>>>>>>|[|]{7}) ", line)]
        names = {word.strip(' "') for word in re.split("[,;\t]", heads[0] if heads else "")}
        return read(raw) if {"key", "status"} <= names else None

    return read_ours


LATER = ("train_joules", "train_cpu_seconds")
"""Columns that files from before them lack."""
LATER_OF_RUNS = (
    *(*LATER, "train_joules_source", "initial_threshold", "weights_sha256", "parent_sha256", "predictions_sha256"),
    *("kernels", "validation_top1", "quantized_macs", "activation_bits", "core_gflops"),
)
OF_OLD_LEDGERS = ("layer", "origin", "kind", "images")
rows = canonical(OF_RUNS, (), _runs, LATER_OF_RUNS)
layers = canonical(OF_LAYERS, ("key", "layer"))
curves = canonical(OF_CURVES, ("key", "epoch"), later=("train_loss", "train_cpu_seconds", "validation_top1"))
epochs = canonical(OF_EPOCHS, ("epoch",), later=("train_joules", "train_loss", "train_cpu_seconds", "validation_top1"))
ledger = canonical(OF_LEDGER, ("layer",), later=[name for name in OF_LEDGER if name not in OF_OLD_LEDGERS])
rates = canonical(OF_RATES, ("layer", "step"))
