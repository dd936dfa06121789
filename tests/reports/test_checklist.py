"""The checklist answers from rows: its counts, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from invented import ORIGIN, ann, conversion, result, write_rows

from benchmarks.runs.identity import key
from benchmarks.spec import Run
from reports.inputs import rows
from reports.tables import checklist


def answers(tmp_path: Path, *given) -> list[dict[str, str]]:
    """Question -> answer of every table."""
    text = checklist.render(rows.read([write_rows(tmp_path / "rows.csv", *given)]))
    lines = [[line.split(" | ") for line in part.splitlines() if line.startswith("| ")] for part in text.split("###")]
    return [{q.removeprefix("| "): a.removesuffix(" |") for q, a in table[2:]} for table in lines[1:]]


def find(table: dict[str, str], word: str) -> str:
    (answer,) = [answer for question, answer in table.items() if word in question]
    return answer


def test_it_counts_seeds_intervals_and_failures(tmp_path: Path) -> None:
    given = [result(seed=seed) for seed in (0, 1, 4)] + [result(method="dsr-lif"), result(method="ann", timesteps=1)]
    failed = result(method="dsr-lif", seed=1, status="failed", reason="loss is no number", top1=None)
    (table,) = answers(tmp_path, *given, failed)
    assert find(table, "What was run").startswith("6 runs in 3 cells")
    assert find(table, "seeds") == "n = 1 in 2 cells; n = 3 in 1 cells. Seeds: 0, 1, 4"
    assert find(table, "intervals") == "95 %, by cell: Wilson over test images (one seed) (2), Student t over seeds (1)"
    assert find(table, "failures") == (
        "done (5), failed (1). dsr-lif T=4 seed 1, tiny on digits (laptop): loss is no number"
    )


def test_a_recipe_is_stated_only_where_the_key_follows_from_it(tmp_path: Path) -> None:
    run = Run("digits", "resnet20", "dsr-if", 5, 0, "laptop")
    true = result(key=key(run), network="resnet20", timesteps=5)
    other = result(key="0123456789abcdef", network="resnet20", timesteps=5, seed=1)
    (table,) = answers(tmp_path, true, other)
    assert find(table, "hyper-parameters") == (
        "1 of 2 keys follow from benchmarks/recipes.py as it is here. Their sources: ours: embedded digits (1)"
    )


def test_it_tells_what_test_images_decided(tmp_path: Path) -> None:
    method = "dsr-if-hybrid-published"  # its recipe measures thresholds on test images, as the released code does
    run = Run("imagenet", "preact-resnet18-imagenet", method, 50, 0, "paper")
    facts = {"dataset": run.dataset, "network": run.network, "scale": "paper", "timesteps": 50}
    rows_of = [result(key=key(run), method=method, top1=60.0, top1_best=61.25, **facts)]
    rows_of += [result(method="dsr-if", top1=60.0, top1_best=60.5, **facts), result(method="x", **facts)]
    answer = find(answers(tmp_path, *rows_of)[0], "selected on test")
    assert "beside it in 2 of 3 (at most 1.25 points above it)" in answer
    assert "parameters measured on test images in 1 runs" in answer


def test_it_tells_how_often_the_test_split_was_read(tmp_path: Path) -> None:
    once = result(seed=1, train_images=900, validation_top1=61.0)
    often = result(top1_best=91.0, top1_validation_selected=90.0, validation_top1=60.0)
    (table,) = answers(tmp_path, once, often, result(seed=2), conversion())
    assert "a validation split in 2 of 3 trained runs" in find(table, "Which splits")
    assert "read once, after the last epoch, in 1 of 3 trained runs" in find(table, "selected on test")


def test_code_data_compute_and_parents_are_counted(tmp_path: Path) -> None:
    dirty = replace(ORIGIN, dirty=True, commit="f" * 16, data_sha256="", data_source="")
    lost = conversion(method="qcfs-l8", parent_key="elsewhere", provenance=dirty)
    (table,) = answers(tmp_path, ann(train_seconds=3000.0, other_load_cores=0.5), conversion(), lost)
    assert (
        find(table, "Which code")
        == "commits: 0123456789ab (2), ffffffffffff (1); working tree: as committed (2), changed (1)"
    )
    assert find(table, "Which data") == "SHA-256 aa... (2): invented; no checksum: 1 runs"
    assert find(table, "starts from") == "2 runs start from another's weights; its row is here for 1 of 2"
    assert find(table, "compute").startswith(
        "0.8 h of training, recorded in 1 runs; beside other work, so without a time by the clock: 1 of 3; "
        "memory in 1, joules in 0 runs"
    )


def test_scales_and_data_sets_have_their_own_tables_and_smoke_is_marked(tmp_path: Path) -> None:
    given = [result(), result(scale="smoke"), result(dataset="cifar10")]
    text = checklist.render(rows.read([write_rows(tmp_path / "rows.csv", *given)]))
    titles = [line for line in text.splitlines() if line.startswith("###")]
    assert [title.partition(": ")[2] for title in titles] == [
        "digits, scale laptop", "digits, scale smoke", "cifar10, scale laptop",
    ]  # fmt: skip
    assert text.count("Never evidence") == 1
