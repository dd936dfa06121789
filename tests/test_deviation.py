"""What docs/methods.md says of trained networks' deviation error is what the committed rows of their layers say."""

from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
LAYERS = pd.read_csv(ROOT / "results" / "quantization-layers.csv").query("scale == 'workstation'")
TEXT = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")


def _of(method: str, timesteps: int, seed: int) -> pd.DataFrame:
    """The layers of one run behind the first, whose current is the same at every step."""
    found = LAYERS.query("method == @method and timesteps == @timesteps and seed == @seed")
    return found.iloc[1:]


def _inner(layers: pd.DataFrame) -> pd.DataFrame:
    return layers[~layers["layer"].str.startswith("readout")]


@pytest.mark.parametrize(
    ("method", "timesteps", "seed", "percent"),
    [
        ("dsr-if-rep", 20, 0, 6.7),
        ("dsr-if-rep", 5, 0, 10.7),
        ("dsr-if-rep", 2, 0, 9.7),
        ("dsr-if-rep", 5, 1, 14.4),
        ("dsr-if-rep", 5, 2, 10.8),
        ("dsr-lif-rep", 5, 0, 19.1),
    ],
)
def test_deviation_errors_are_as_written(method: str, timesteps: int, seed: int, percent: float) -> None:
    """Means over layers, in percent of a layer's mean output."""
    inner = _inner(_of(method, timesteps, seed))
    assert len(inner) == 16
    assert 100 * (inner["deviation_error"] / inner["mapping"]).mean() == pytest.approx(percent, abs=0.05)
    assert f"{percent} %" in TEXT, f"docs/methods.md does not say {percent} %"


@pytest.mark.parametrize(("timesteps", "percent"), [(20, 5.0), (5, 18.7), (2, 36.8)])
def test_quantisation_errors_are_as_written(timesteps: int, percent: float) -> None:
    inner = _inner(_of("dsr-if-rep", timesteps, 0))
    assert 100 * (inner["quantization_error"] / inner["mapping"]).mean() == pytest.approx(percent, abs=0.05)
    assert "5.0, 18.7 and 36.8 %" in TEXT


@pytest.mark.parametrize(
    ("network", "quantisation", "deviation"),
    [("preact-resnet18-narrow", 15.7, 11.9), ("preact-resnet18-32", 16.4, 8.2), ("preact-resnet18", 16.0, 6.8)],
)
def test_errors_against_width_are_as_written(network: str, quantisation: float, deviation: float) -> None:
    run = LAYERS.query("method == 'dsr-if-rep@epochs=4' and network == @network")
    inner = _inner(run.iloc[1:])
    for name, percent in {"quantization_error": quantisation, "deviation_error": deviation}.items():
        assert 100 * (inner[name] / inner["mapping"]).mean() == pytest.approx(percent, abs=0.05)
    assert f"{deviation} %" in TEXT
    assert "15.7, 16.4 and 16.0 %" in TEXT


def test_the_worst_seed_has_the_largest_deviation_error() -> None:
    seeds = (_of("dsr-if-rep", 5, seed).reset_index() for seed in (0, 1, 2))
    first, worst, third = (layers["deviation_error"] / layers["mapping"] for layers in seeds)
    assert len(worst) == 18
    assert ((worst > first) & (worst > third)).sum() == 17


@pytest.mark.parametrize(
    ("method", "timesteps", "seed", "low", "high"),
    [
        ("dsr-if-rep", 20, 0, 0.75, 1),
        ("dsr-if-rep", 5, 0, 0.75, 1),
        ("dsr-if-rep", 5, 1, 0.75, 1),
        ("dsr-if-rep", 5, 2, 0.75, 1),
        ("dsr-lif-rep", 5, 0, 0.4, 0.6),
    ],
)
def test_most_of_the_deviation_is_bias(method: str, timesteps: int, seed: int, low: float, high: float) -> None:
    inner = _inner(_of(method, timesteps, seed))
    assert low <= inner["deviation_bias"].sum() / inner["deviation_error"].sum() <= high
