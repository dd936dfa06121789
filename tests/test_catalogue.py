"""The catalogue: a method, a data set and a network each say everything about themselves in one place."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines import stbp
from benchmarks import catalogue, methods, networks, substitutes
from benchmarks.catalogue import datasets
from benchmarks.catalogue import networks as network_entries
from benchmarks.catalogue.facts import Facts
from benchmarks.data import DATASETS
from benchmarks.method import Method, Substitutes
from benchmarks.networks import NETWORKS, build
from benchmarks.parameters import require_method
from benchmarks.recipes import CIFAR, frames, resolve
from benchmarks.runs.identity import key, parent
from benchmarks.spec import SCALES, BadInput, Recipe, Run
from benchmarks.sweeps import METHODS
from reports.figures.appearance import styles_of
from reports.queries.protocols import protocol_of

ROOT = Path(__file__).parents[1]
LISTED = 4
"""As many names in one literal are a list of methods, data sets or networks."""
CHOICES = {
    "benchmarks/sweeps.py": "which runs a sweep is of",
    "benchmarks/campaigns.py": "which runs a campaign is of, in which order",
    "benchmarks/data/__init__.py": "the reader of each data set",
    "benchmarks/data/download.py": "the download of each data set that may be downloaded",
    "benchmarks/regression/steps.py": "whose steps are timed",
    "benchmarks/perf/bench_counting.py": "whose counting is timed",
    "reports/questions/ladder.py": "the rungs from the ANN to DSR",
    "reports/tables/protocol.py": "whose protocol is printed",
}
"""Files outside the catalogue that may name several, and what they choose or hold."""


def slow(run: Run, usual: Recipe) -> Recipe:
    return replace(usual, learning_rate=0.01, neuron={"decay": 0.5}, sources="a test")


ADDED = Facts(
    "an added method",
    family="surrogate gradient",
    recipe=slow,
    shortened=lambda recipe: replace(recipe, learning_rate=0.02),
    parent="ann",
    colour="#123456",
    marker="s",
)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> str:
    """A method of this repository by its two entries: facts, and modules."""
    monkeypatch.setitem(catalogue.BUILT_IN, "added", ADDED)  # type: ignore[arg-type]
    parts = Substitutes(stbp.LIF)
    monkeypatch.setitem(methods.BUILT_IN, "added", Method(**vars(ADDED), **vars(parts)))  # type: ignore[arg-type]
    return "added"


def test_two_entries_make_a_method_known_to_every_table(added: str) -> None:
    run = Run("cifar10", "preact-resnet-tiny", added, 4, 0, "paper")
    assert added in methods.METHODS
    assert methods.named(f"{added}@decay=0.3").title == "an added method"
    assert resolve(run) == replace(CIFAR, learning_rate=0.01, neuron={"decay": 0.5}, parent="ann", sources="a test")
    assert resolve(replace(run, scale="laptop")).learning_rate == 0.02
    assert parent(run) == replace(run, method="ann", timesteps=1)
    assert len(key(run)) == 16
    assert frames(run, resolve(run)) == 4
    assert styles_of(["ann", added])[added].colour == "#123456"
    assert styles_of(["ann", added])[added].marker == "s"
    with pytest.raises(BadInput, match=r"thresholds of added come from its parent \(ann\)"):
        require_method(added, {"threshold": 1.0})
    assert build(run.network, added, 4, 10)(torch.randn(2, 3, 32, 32)).shape == (2, 10)


def test_every_method_has_its_facts_and_its_modules_under_one_name() -> None:
    assert substitutes.METHODS.keys() == catalogue.BUILT_IN.keys() == methods.BUILT_IN.keys()
    for name, facts in catalogue.BUILT_IN.items():
        assert facts.family, name
        assert facts.parent is None or catalogue.BUILT_IN[facts.parent].timeless, name
        assert {vars(methods.METHODS[name])[fact] for fact in ("title", "parent")} == {facts.title, facts.parent}


def test_compared_methods_have_looks_of_their_own() -> None:
    shown = [catalogue.BUILT_IN[name] for name in METHODS]
    assert len({(facts.colour, facts.marker) for facts in shown}) == len(shown)
    assert all(facts.colour and facts.marker for facts in shown)


def test_every_data_set_and_network_has_its_entry_and_its_module_under_one_name() -> None:
    assert list(DATASETS) == list(datasets.ENTRIES)
    assert list(NETWORKS) == list(network_entries.ENTRIES)
    for name, entry in datasets.ENTRIES.items():
        assert DATASETS[name].entry is entry
        assert entry.targets.keys() == set(SCALES)
        assert entry.kind == "files" or entry.laptop
        assert entry.paper is None or entry.paper.network in NETWORKS
        assert {entry.made_of, entry.stands_for} <= {*DATASETS, None}
    for entry in network_entries.ENTRIES.values():
        assert entry.narrow_of in (*NETWORKS, None)


def test_one_entry_makes_a_network_of_a_known_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = network_entries.Network(network_entries.PreAct((1, 1), (4, 8)), narrow_of="resnet19")
    monkeypatch.setitem(network_entries.ENTRIES, "wide", wide)  # type: ignore[arg-type]
    monkeypatch.setitem(NETWORKS, "wide", networks._builder(wide.shape))  # type: ignore[arg-type]
    assert build("wide", "ann", 1, 5)(torch.randn(2, 3, 8, 8)).shape == (2, 5)
    assert (network_entries.full("wide"), network_entries.narrow("resnet19")) == ("resnet19", "wide")


def test_one_entry_fits_recipes_to_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    part = datasets.Part(640, 60, epochs=3, batch=16, warmup_epochs=0.5)
    paper = datasets.InPaper("SVHN", "vgg11", 20)
    svhn = replace(datasets.ENTRIES["cifar10"], name="SVHN", laptop=part, augmentation="crop", paper=paper)
    monkeypatch.setitem(datasets.ENTRIES, "svhn", svhn)  # type: ignore[arg-type]
    run = Run("svhn", "vgg11", "ann", 1, 0, "laptop")
    recipe = resolve(run)
    assert (recipe.train_images, recipe.validation_images, recipe.epochs, recipe.batch_size) == (640, 60, 3, 16)
    assert (recipe.warmup_iterations, recipe.augmentation) == (20, "crop")
    assert resolve(replace(run, scale="paper")) == replace(CIFAR, augmentation="crop")


def test_a_data_set_without_an_entry_has_no_recipe() -> None:
    with pytest.raises(BadInput, match=r"unknown dataset 'cifar11' \(did you mean 'cifar10'"):
        resolve(Run("cifar11", "vgg11", "ann", 1, 0, "paper"))


def test_a_published_row_of_a_conversion_has_the_catalogues_parent() -> None:
    found = protocol_of(Run("cifar10", "vgg16", "qcfs-published", 8, 0, "paper"))
    assert found
    assert found.timesteps
    assert catalogue.BUILT_IN["qcfs-published"].parent == "qcfs-published-ann"


def lists_of(path: Path, names: set[str]) -> Iterator[tuple[int, set[str]]]:
    """Line and names of every literal that holds several of `names`, nested ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict | ast.Tuple | ast.List | ast.Set):
            inside = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)} & names
            if len(inside) >= LISTED:
                yield node.lineno, inside


@pytest.mark.parametrize("known", [catalogue.BUILT_IN, datasets.ENTRIES, network_entries.ENTRIES])
def test_nothing_outside_the_catalogue_lists_what_it_knows(known: dict[str, object]) -> None:
    for package in ("benchmarks", "reports"):
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if where not in CHOICES and not where.startswith(("benchmarks/catalogue/", "benchmarks/substitutes/")):
                assert not list(lists_of(path, set(known))), where


def test_the_catalogue_recipes_and_sweeps_need_no_torch() -> None:
    code = "import sys; import benchmarks.catalogue.datasets, benchmarks.catalogue.networks, benchmarks.campaigns\n"
    code += "from benchmarks.recipes import resolve, timeless\nassert timeless('ann') and not timeless('unknown')\n"
    code += "assert not {'torch', 'numpy', 'benchmarks.methods'} & set(sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "DSR_METHODS"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=ROOT)
