"""Firing rates layer by layer, and learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ann, result
from painted import legend, line, painted, points

from benchmarks.export.curves import COLUMNS
from reports.cost import to_accuracy
from reports.figures.layers import ordered, shortened
from reports.inputs import layers_and_curves


def layers(key: str, steps: int, **spikes: float | None) -> list[dict[str, Any]]:
    """Layers of ten neurons; None: a layer no neuron follows."""
    made = {"key": key, "timesteps": float(steps), "output_neurons": 10.0}
    return [{**made, "layer": name, "output_spikes": count} for name, count in spikes.items()]


def test_a_rate_is_spikes_per_neuron_and_step_and_the_mean_over_seeds(tmp_path: Path) -> None:
    runs = [result(seed=0, key="a"), result(seed=1, key="b"), result(timesteps=2, key="c")]
    # (8 + 12) / 2 / (10 x 4) = 0.25; 4 / 40 = 0.1; T = 2 is not the largest
    known = (
        layers("a", 4, stem=8, add=None, conv=4) + layers("b", 4, stem=12, add=None, conv=4) + layers("c", 2, stem=1)
    )
    with painted(tmp_path, *runs, layers=pd.DataFrame(known)) as found:
        _, axes = found["firing-rate-per-layer-digits-tiny-laptop"]
        assert points(axes, "dsr-if, T = 4") == [(0.0, pytest.approx(0.25)), (1.0, pytest.approx(0.1))]
        assert [text.get_text() for text in axes.get_xticklabels()] == ["stem", "conv"]
    with painted(tmp_path, *runs) as found:
        assert not [name for name in found if name.startswith("firing")]


def test_of_a_method_without_layers_at_its_largest_t_the_largest_known_is_shown(tmp_path: Path) -> None:
    runs = [result(timesteps=2, key="a"), result(timesteps=4, key="b")]
    with painted(tmp_path, *runs, layers=pd.DataFrame(layers("a", 2, stem=5))) as found:
        _, axes = found["firing-rate-per-layer-digits-tiny-laptop"]
        assert points(axes, "dsr-if, T = 2") == [(0.0, pytest.approx(0.25))]


def test_layers_of_all_methods_stand_in_the_order_an_image_passes_them() -> None:
    runs = {"long": ["stem", "conv1", "conv2", "readout"], "pooled": ["stem", "conv1", "pool", "conv2"]}
    rates = pd.DataFrame(
        [
            {"method": method, "layer": name, "place": n}
            for method, names in runs.items()
            for n, name in enumerate(names)
        ]
    )
    assert ordered(rates) == ["stem", "conv1", "pool", "conv2", "readout"]
    assert shortened(["stem.layer", "stages.0.1.conv2", "readout.linear"]) == ["stem", "0.1 conv2", "readout.linear"]


def curves(key: str, *accuracies: float, losses: bool = False) -> list[dict[str, Any]]:
    return [
        {"key": key, "epoch": float(n), "test_top1": one, "train_loss": 2.0 / n if losses else None}
        for n, one in enumerate(accuracies, 1)
    ]


CURVE, LOSS = "learning-curve-digits-tiny-T4-laptop", "training-loss-digits-tiny-T4-laptop"


def test_a_curve_is_the_mean_with_a_thin_line_per_seed_and_the_ann_beside_it(tmp_path: Path) -> None:
    runs = [result(seed=0, key="a"), result(seed=1, key="b"), ann(method="ann", key="c"), result(timesteps=8, key="d")]
    known = curves("a", 10, 30) + curves("b", 20, 50, 90) + curves("c", 60, 70) + curves("d", 1, 2)
    with painted(tmp_path, *runs, curves=pd.DataFrame(known)) as found:
        _, axes = found[CURVE]
        assert points(axes, "dsr-if, 2 seeds") == [(1.0, 15.0), (2.0, 40.0)]
        assert legend(axes) == ["dsr-if, 2 seeds", "ann, 1 seed"]
        thin = [found for found in axes.lines if found.get_linewidth() < line(axes, "ann, 1 seed").get_linewidth()]
        assert [list(one.get_ydata()) for one in thin] == [[10, 30], [20, 50, 90]]
        assert points(found["learning-curve-digits-tiny-T8-laptop"][1], "dsr-if, 1 seed") == [(1.0, 1.0), (2.0, 2.0)]
        assert LOSS not in found


def test_curves_of_held_out_images_have_a_figure_of_their_own(tmp_path: Path) -> None:
    runs = [result(key="a"), result(key="b", method="dsr-lif")]
    held_out = [line | {"test_top1": None, "validation_top1": line["test_top1"]} for line in curves("a", 10, 30)]
    tested = [line | {"validation_top1": 5.0} for line in curves("b", 20, 40)]
    with painted(tmp_path, *runs, curves=pd.DataFrame(held_out + tested)) as found:
        assert points(found[CURVE][1], "dsr-lif, 1 seed") == [(1.0, 20.0), (2.0, 40.0)]
        assert legend(found[CURVE][1]) == ["dsr-lif, 1 seed"]
        caption, axes = found["held-out-curve-digits-tiny-T4-laptop"]
        assert points(axes, "dsr-if, 1 seed") == [(1.0, 10.0), (2.0, 30.0)]
        assert (axes.get_ylabel(), legend(axes)) == ("accuracy (% of the held-out images)", ["dsr-if, 1 seed"])
        assert "the test split is read once, after training" in caption


def test_losses_are_drawn_where_they_were_exported(tmp_path: Path) -> None:
    with painted(tmp_path, result(key="a"), curves=pd.DataFrame(curves("a", 1, 2, losses=True))) as found:
        assert points(found[LOSS][1], "dsr-if, 1 seed") == [(1.0, 2.0), (2.0, 1.0)]


def test_files_from_before_losses_were_exported_are_read(tmp_path: Path) -> None:
    assert {*to_accuracy.COLUMNS, "train_loss"} <= set(COLUMNS) <= {*to_accuracy.COLUMNS, *to_accuracy.LATER}
    (tmp_path / "rows-curves.csv").write_text(f"{','.join(to_accuracy.COLUMNS)}\na,1,2.0,,30.0\n")
    old = layers_and_curves.read(
        [tmp_path / "rows.csv"], "curves", to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER
    )
    assert old["train_loss"].isna().all()
    (tmp_path / "rows-curves.csv").write_text(f"{','.join(COLUMNS)}\na,1,2.0,,30.0,1.5,,29.0\n")
    new = layers_and_curves.read(
        [tmp_path / "rows.csv"], "curves", to_accuracy.COLUMNS, to_accuracy.TEXT, to_accuracy.LATER
    )
    assert new["train_loss"].tolist() == [1.5]
    assert new["validation_top1"].tolist() == [29.0]
    assert old["validation_top1"].isna().all()
