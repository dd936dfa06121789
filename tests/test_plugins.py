"""Methods of other packages: the example as a user would install it, and plug-ins that are wrong."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from benchmarks import contract, methods
from benchmarks.recipes import CIFAR, resolve
from benchmarks.spec import BadInput, Run

EXAMPLE = Path(__file__).parent.parent / "examples" / "spikingjelly_plugin"


def bring(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Make an entry point known, as an installed package does."""
    point = importlib.metadata.EntryPoint(name, value, "dsr_bench.methods")
    monkeypatch.setattr(methods, "entry_points", lambda group: [point] if group == "dsr_bench.methods" else [])


def test_the_example_keeps_its_contract(monkeypatch):
    pytest.importorskip("spikingjelly", reason="SpikingJelly is not installed")
    ((name, value),) = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"][
        "dsr_bench.methods"
    ].items()
    monkeypatch.syspath_prepend(EXAMPLE)
    bring(monkeypatch, name, value)
    monkeypatch.setattr(methods, "METHODS", {**methods.BUILT_IN, **methods.installed()})
    assert name == "spikingjelly-lif"
    for clause in contract.CLAUSES:
        assert contract.broken(clause, name) == "", clause.__doc__
    assert resolve(Run("cifar10", "preact-resnet18", name, 4, 0, "paper")) == CIFAR


def test_the_example_is_short():
    assert len((EXAMPLE / "spikingjelly_method.py").read_text().splitlines()) < 40


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ann", "json:loads", "a method of that name is there already"),
        ("mine", "nowhere_to_be_found:METHOD", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere"),
        ("mine", "json:loads", "is no benchmarks.method.Method"),
    ],
)
def test_a_plug_in_that_is_wrong_is_named_in_one_line(name, value, said, monkeypatch):
    bring(monkeypatch, name, value)
    with pytest.raises(BadInput, match=said) as refused:
        methods.installed()
    assert f"method plug-in {name!r} ({value})" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
