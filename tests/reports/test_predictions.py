"""Predictions beside rows: read, refused where they are not what the row says, and compared image by image."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from invented import conversion, result, write_rows
from kept import save
from scipy import stats  # type: ignore[import-untyped]

import reports
from benchmarks.spec import BadInput
from reports.inputs import predictions
from reports.inputs.predictions import Predictions
from reports.inputs.rows import read
from reports.statistics import images
from reports.tables import disagreement

RIGHT = np.array([True, True, False, True, False, True, True, False, True, True])


def of(bits: str) -> np.ndarray:
    return np.array([bit == "1" for bit in bits])


def test_predictions_are_read_beside_the_rows(tmp_path: Path) -> None:
    row = result(**save(tmp_path / "predictions", "a", RIGHT))
    path = write_rows(tmp_path / "rows.csv", row, result(seed=1, key="b", predictions_sha256="0" * 64))
    found = predictions.beside([path], read([path]))
    assert list(found) == ["a"]  # of the other no file was kept
    assert found["a"].correct.tolist() == RIGHT.tolist()
    assert (found["a"].images, found["a"].margin[0]) == (10, pytest.approx(128 / 255))


@pytest.mark.parametrize(("changes", "said"), [
    ({"predictions_sha256": "0" * 64}, "has SHA-256 .* its row says 0000000000000000"),
    ({"top1": 60.0}, r"has 70.00 % correct, its row says top1 = 60.00 %"),
    ({"test_images": 11}, "holds 10 images, its row says 11"),
])  # fmt: skip
def test_a_file_that_is_not_the_rows_is_refused(changes: dict, said: str, tmp_path: Path) -> None:
    row = result(**save(tmp_path, "a", RIGHT) | changes)
    with pytest.raises(BadInput, match=rf"a\.npz {said}"):
        predictions.read(tmp_path / "a.npz", row)


def test_a_rounded_accuracy_is_the_rows(tmp_path: Path) -> None:
    row = result(**save(tmp_path, "a", of("110")) | {"top1": 66.67})
    assert predictions.read(tmp_path / "a.npz", row).images == 3


@pytest.mark.parametrize("content", [b"", b"no zip", "short"])
def test_a_damaged_file_is_one_line(content: bytes | str, tmp_path: Path) -> None:
    row, path = save(tmp_path, "a", RIGHT), tmp_path / "a.npz"
    if isinstance(content, str):
        np.savez(path, predicted=np.zeros(9), correct=np.packbits(RIGHT), margin=np.zeros(10), images=np.int64(10))
    else:
        path.write_bytes(content)
    row["predictions_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(BadInput, match=r"a\.npz is no file of predictions: [^\n]+$"):
        predictions.read(path, result(**row))


def test_mcnemar_is_the_binomial_of_images_that_only_one_gets_right() -> None:
    # 1 against 7 of 8: 2 (1 + 8) / 2^8
    assert images.mcnemar(1, 7) == pytest.approx(2 * 9 / 256)
    assert images.mcnemar(0, 0) == 1


def test_two_networks_are_compared_image_by_image() -> None:
    one = Predictions(np.array([0, 1, 1, 0]), of("1101"), np.ones(4))
    other = Predictions(np.array([0, 1, 0, 1]), of("1110"), np.ones(4))
    found = images.agreement(one, other)
    assert (found.both, found.only_one, found.only_other, found.neither) == (0.5, 0.25, 0.25, 0)
    # two of four classes agree, and chance agrees on half: kappa = (0.5 - 0.5) / 0.5
    assert (found.same_class, found.kappa, found.p) == (0.5, 0, 1)
    assert images.kappa(one.predicted, one.predicted) == 1


def test_the_two_level_bootstrap_is_near_the_normal_interval_of_many_images() -> None:
    generator = np.random.default_rng(1)
    ones = {seed: generator.random(400) < 0.8 for seed in range(6)}
    others = {seed: generator.random(400) < 0.7 for seed in range(6)}
    low, high = images.bootstrap(ones, others, draws=1000)
    difference = 100 * (np.mean(list(ones.values())) - np.mean(list(others.values())))
    assert low < difference < high
    # six runs of 400 images a side, all independent: sqrt((0.16 + 0.21) / 2400) = 1.24 points; the bootstrap draws
    # seeds and images, each of which carries that once: between 1.24 and sqrt(3) x 1.24
    assert 1.24 < (high - low) / (2 * stats.norm.ppf(0.975)) < 2.15
    assert images.bootstrap(ones, others, draws=50) == images.bootstrap(ones, others, draws=50)


def test_the_bootstrap_draws_seeds_with_their_partners_as_well_as_images() -> None:
    half = np.arange(100) % 2 == 0
    ones, others = {0: np.ones(100, bool), 1: np.zeros(100, bool)}, {5: half, 6: half}
    # seeds 0 and 1 are drawn twice, once, or not at all: 100, 50 or 0 %, against 50 %
    low, high = images.bootstrap(ones, others)
    assert low == pytest.approx(-50, abs=12)
    assert high == pytest.approx(50, abs=12)
    assert images.bootstrap(ones, ones) == (0, 0)  # the same runs: drawn together


def test_a_table_says_where_a_network_and_its_partner_differ(tmp_path: Path) -> None:
    folder, seeds = tmp_path / "predictions", (0, 1)
    rows = []
    for seed in seeds:
        rows.append(result(method="ann", timesteps=1, seed=seed, **save(folder, f"ann{seed}", of("1111100000"))))
        rows.append(result(method="dsr-if", seed=seed, **save(folder, f"dsr{seed}", of("1111010000"))))
    converted = save(folder, "converted", of("1111111000"))
    rows += [conversion(method="calibration", parent_key="ann0", **converted), result(method="stbp-tdbn", seed=0)]
    rows.append(result(method="dsr-if@epochs=4", seed=0, **save(folder, "brief", of("1111010000"))))
    path = write_rows(tmp_path / "rows.csv", *rows)
    frame = read([path])
    (table,) = disagreement.tables_of(frame, predictions.beside([path], frame))
    lines = [[cell.text for cell in line] for line in table.rows]
    assert lines[0][:9] == ["dsr-if", "4", "ann", "2", "40.0", "10.0", "10.0", "40.0", "80.0"]
    assert lines[0][10] == "–"
    assert [line[0] for line in lines] == ["dsr-if", "calibration"], "no brief training beside a whole one"
    assert lines[1][:8] == ["calibration", "4", "ann", "1", "50.0", "20.0", "0.0", "30.0"]
    assert lines[1][10:] == ["0.5", "–"]  # 2 against 0: 2 / 2^2
    assert any(table.title.startswith("Where SNN") for table in reports.read([path]).contents.tables)
