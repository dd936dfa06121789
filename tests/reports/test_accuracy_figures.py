"""Figures of accuracy against T and depth, and of variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from invented import ann, conversion, result
from painted import legend, line, painted, points

from benchmarks.sweeps import AS_PUBLISHED, METHODS, SWEEPS
from reports.figures.appearance import styles_of, wrapped
from reports.rendering.table import SMOKE_WARNING

ON_PAPERS = {"dataset": "cifar10", "network": "preact-resnet18"}
PUBLISHED = pd.DataFrame(
    [
        {**ON_PAPERS, "method": "dsr-if", "timesteps": 20.0, "accuracy": 95.24},
        {**ON_PAPERS, "method": "dsr-lif", "timesteps": 20.0, "accuracy": 95.40},
        {**ON_PAPERS, "method": "ann", "timesteps": None, "accuracy": 95.41},
        {**ON_PAPERS, "network": "vgg16", "method": "dsr-if", "timesteps": 20.0, "accuracy": 1.0},
        {**ON_PAPERS, "dataset": "cifar100", "method": "dsr-if", "timesteps": 20.0, "accuracy": 2.0},
    ]
)


def runs(**changes: Any) -> list[dict[str, Any]]:
    """Two seeds of dsr-if at T = 2, one at T = 4 and 8 (which failed); an ANN."""
    return [
        result(timesteps=2, seed=0, top1=40.0, **changes),
        result(timesteps=2, seed=1, top1=42.0, **changes),
        result(timesteps=4, top1=50.0, **changes),
        result(timesteps=8, status="failed", top1=None, **changes),
        ann(method="ann", key="ann", top1=60.0, **changes),
    ]


def test_a_line_holds_the_mean_at_every_t_and_an_ann_is_level(tmp_path: Path) -> None:
    with painted(tmp_path, *runs()) as found:
        caption, axes = found["accuracy-against-t-digits-tiny-laptop"]
        assert points(axes, "dsr-if") == [(2.0, 41.0), (4.0, 50.0)]
        assert [y for _, y in points(axes, "ann")] == [60.0, 60.0]
        assert legend(axes) == ["ann", "dsr-if"]
        assert axes.get_xscale() == "linear"
        two_seeds, _ = axes.collections[0].get_segments()
        assert two_seeds[:, 1] == pytest.approx([40, 42])  # both values, no interval
        assert "paper's points are of scale paper and not drawn here" in caption


def test_far_out_the_axis_of_t_is_logarithmic(tmp_path: Path) -> None:
    far = [conversion(timesteps=steps) for steps in (1, 3, 256)]
    with painted(tmp_path, ann(), *far) as found:
        _, axes = found["accuracy-against-t-digits-tiny-laptop"]
        assert axes.get_xscale() == "log"
        assert list(axes.get_xticks()) == [1, 256]
        assert legend(axes) == ["qcfs-ann", "qcfs"]


def test_published_points_stand_beside_the_papers_network_at_its_scale_only(tmp_path: Path) -> None:
    of_paper, of_laptop = runs(**ON_PAPERS, scale="paper"), runs(**ON_PAPERS)
    with painted(tmp_path, *of_paper[:4], *of_laptop[:4], *runs()[:4], published=PUBLISHED) as found:
        caption, axes = found["accuracy-against-t-cifar10-preact-resnet18-paper"]
        assert points(axes, "dsr-if\n(published)") == [(20.0, 95.24)]
        assert points(axes, "dsr-lif\n(published)") == [(20.0, 95.40)]
        assert legend(axes) == ["dsr-if", "dsr-if\n(published)", "dsr-lif\n(published)"]
        assert axes.get_ylim()[1] > 95.4
        assert "hollow: published" in caption
        for name in ("accuracy-against-t-cifar10-preact-resnet18-laptop", "accuracy-against-t-digits-tiny-laptop"):
            caption, axes = found[name]
            assert legend(axes) == ["dsr-if"]
            assert "not drawn here" in caption


def test_a_smoke_figure_says_so_above_across_and_below(tmp_path: Path) -> None:
    with painted(tmp_path, *runs(scale="smoke")) as found:
        for caption, axes in found.values():
            assert caption.startswith(SMOKE_WARNING)
            assert axes.get_title() == SMOKE_WARNING
            assert "SMOKE" in [text.get_text() for text in axes.texts]
    with painted(tmp_path, *runs()) as found:
        assert not any(SMOKE_WARNING in caption or axes.get_title() for caption, axes in found.values())


def test_many_methods_make_two_figures_and_parents_stand_with_their_children(tmp_path: Path) -> None:
    trained = [result(method=f"mine-{n}", timesteps=steps) for n in range(8) for steps in (2, 4)]
    converted = [
        conversion(method=f"theirs-{n}", timesteps=steps, parent_key="parent") for n in range(2) for steps in (2, 4)
    ]
    plain = ann(method="ann", key="ann")
    with painted(tmp_path, plain, ann(), *trained, *converted) as found:
        assert legend(found["accuracy-against-t-digits-tiny-laptop"][1]) == ["ann", *(f"mine-{n}" for n in range(8))]
        labels = legend(found["accuracy-against-t-conversions-digits-tiny-laptop"][1])
        assert labels == ["ann", "qcfs-ann", "theirs-0", "theirs-1"]
    with painted(tmp_path, plain, ann(), *trained[:-2], *converted) as found:
        assert len(legend(found["accuracy-against-t-digits-tiny-laptop"][1])) == 2 + 7 + 2


def test_depth_is_read_off_the_networks_name(tmp_path: Path) -> None:
    deep = [
        made(network=f"preact-resnet{depth}", top1=80.0 + depth / 10, key=f"{made.__name__}{depth}")
        for depth in (110, 20)
        for made in (result, ann)
    ]
    other = result(network="preact-resnet18")
    with painted(tmp_path, *deep, other) as found:
        _, axes = found["accuracy-against-depth-digits-T4-laptop"]
        assert points(axes, "dsr-if") == points(axes, "qcfs-ann") == [(20.0, 82.0), (110.0, 91.0)]
        assert not [name for name in found if name.startswith("accuracy-against-t-")]


def test_variants_at_one_t_stand_under_each_other_and_not_among_the_lines(tmp_path: Path) -> None:
    odd = result(method="dsr-if@alpha=1", timesteps=2, top1=30.0)
    with painted(tmp_path, *runs(), odd) as found:
        assert legend(found["accuracy-against-t-digits-tiny-laptop"][1]) == ["ann", "dsr-if"]
        _, axes = found["accuracy-of-variants-dsr-if-T2-digits-tiny-laptop"]
        assert [text.get_text() for text in axes.get_yticklabels()] == ["@alpha=1", "dsr-if"]
        assert [text.get_text() for text in axes.texts] == ["30.0", "41.0"]


def test_no_two_methods_look_alike_and_none_differ_in_colour_alone() -> None:
    names = {*METHODS, *AS_PUBLISHED, "qcfs-ann", "qcfs-l8-ann", "theirs", *(f"mine-{n}" for n in range(20))}
    names |= {method for sweep in SWEEPS.values() for method in sweep.methods}
    found = styles_of(names)
    assert set(found) == names
    assert len({(look.colour, look.marker) for look in found.values()}) == len(names)
    known = [found[method].marker for method in (*METHODS, "qcfs-ann", "qcfs-l8-ann")]
    assert len(set(known)) == len(known)
    assert styles_of(["dsr-if"])["dsr-if"] == found["dsr-if"]


def test_a_variants_long_name_is_broken_before_its_parameters() -> None:
    assert wrapped("dsr-if@alpha=1") == "dsr-if@alpha=1"
    broken = wrapped("stbp-tdbn@detach_reset=true@reset=soft@surrogate=triangle")
    assert broken == "stbp-tdbn\n@detach_reset=true\n@reset=soft\n@surrogate=triangle"


def test_trained_methods_are_solid_and_conversions_thinner_and_dashed(tmp_path: Path) -> None:
    mixed = [conversion(timesteps=steps) for steps in (2, 4)]
    with painted(tmp_path, ann(), *runs(), *mixed) as found:
        _, axes = found["accuracy-against-t-digits-tiny-laptop"]
        trained, converted = line(axes, "dsr-if"), line(axes, "qcfs")
        assert (trained.get_linestyle(), converted.get_linestyle()) == ("-", "--")
        assert trained.get_linewidth() > converted.get_linewidth()


def test_accuracies_without_an_interval_have_no_whiskers(tmp_path: Path) -> None:
    with painted(
        tmp_path, *(result(timesteps=steps, top1=10.0 * steps, test_images=None) for steps in (2, 4))
    ) as found:
        _, axes = found["accuracy-against-t-digits-tiny-laptop"]
        assert points(axes, "dsr-if") == [(2.0, 20.0), (4.0, 40.0)]
        assert axes.get_ylim()[0] < 20 < 40 < axes.get_ylim()[1]
