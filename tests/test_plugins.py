"""Methods from outside: the examples as a user would bring them, what an edit does, and plug-ins that are wrong."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import catalogue, contract, plugins
from benchmarks.cli import doctor
from benchmarks.launching import process
from benchmarks.recipes import CIFAR, resolve, timeless
from benchmarks.runs import store
from benchmarks.runs.identity import key, parent
from benchmarks.spec import BadInput, Recipe, Run
from reports.figures.appearance import Style, styles_of

EXAMPLES = Path(__file__).parent.parent / "examples"
PACKAGE = EXAMPLES / "spikingjelly_plugin"
Bring = Callable[[], None]


@pytest.fixture
def bring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Take in what is outside by now, as a new process would."""

    def take_in() -> None:
        catalogue.from_outside.cache_clear()
        catalogue.from_outside()

    yield take_in
    monkeypatch.undo()
    catalogue.from_outside.cache_clear()


def name_entry_point(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Make an entry point known, as an installed package does."""
    point = importlib.metadata.EntryPoint(name, value, plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == plugins.GROUP else [])


def lif(title: str = "mine") -> str:
    return f"from baselines.stbp import LIF\nfrom benchmarks.method import Method\nMETHOD = Method({title!r}, LIF)\n"


def run_of(method: str, steps: int = 4, dataset: str = "cifar10") -> Run:
    return Run(dataset, "preact-resnet18", method, steps, 0, "paper")


def test_the_package_keeps_its_contract(monkeypatch, bring):
    pytest.importorskip("spikingjelly", reason="SpikingJelly is not installed")
    points = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"][plugins.GROUP]
    ((name, value),) = points.items()
    monkeypatch.syspath_prepend(PACKAGE)
    name_entry_point(monkeypatch, name, value)
    bring()
    assert name == "spikingjelly-lif"
    for clause in contract.CLAUSES:
        assert contract.broken(clause, name) == "", clause.__doc__


def test_the_package_is_short():
    assert len((PACKAGE / "spikingjelly_method.py").read_text().splitlines()) < 40


@pytest.mark.parametrize("clause", contract.CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("method", ["arctan-lif", "sigmoid-lif", "trained-clip", "trained-clip-ann"])
def test_the_examples_keep_their_contract(method, clause, monkeypatch, bring):
    monkeypatch.setenv("DSR_METHODS", str(EXAMPLES))
    bring()
    clause(method)


def test_what_a_file_says_of_itself_is_what_is_run(monkeypatch, bring):
    monkeypatch.setenv("DSR_METHODS", str(EXAMPLES))
    bring()
    recipe = resolve(run_of("arctan-lif"))
    assert (recipe.learning_rate, recipe.epochs, recipe.neuron) == (0.05, 200, {"threshold": 1.0, "decay": 0.5})
    assert resolve(run_of("arctan-lif@decay=0.25")).neuron["decay"] == 0.25
    assert resolve(run_of("arctan-lif", dataset="cifar10dvs")).augmentation == "crop"
    assert parent(run_of("trained-clip")) == run_of("trained-clip-ann", 1)
    assert timeless("trained-clip-ann")
    assert not timeless("trained-clip")
    assert resolve(run_of("dsr-if")).code is None


@pytest.mark.parametrize(
    ("stated", "scale", "dataset", "batch"),
    [
        (16, "smoke", "cifar10", 16),
        (16, "smoke", "digits", 16),
        (16, "laptop", "cifar10", 16),
        (16, "laptop", "nmnist", 16),
        (16, "laptop", "imagenet", 16),
        (16, "paper", "imagenet", 16),
        (4096, "paper", "cifar10", 4096),
        (4096, "smoke", "cifar10", 320),  # all training images
        (4096, "smoke", "digits", 1437),
        (128, "smoke", "cifar10", 32),  # DSR's, which is cut down as everybody's
    ],
)
def test_a_batch_that_a_plug_in_states_holds_at_every_scale(
    stated, scale, dataset, batch, tmp_path, monkeypatch, bring
):
    recipe = f"lambda run, usual: replace(usual, batch_size={stated})"
    text = lif().replace("LIF)", f"LIF, recipe={recipe})")
    (tmp_path / "mine.py").write_text(f"from dataclasses import replace\n{text}")
    monkeypatch.setenv("DSR_METHODS", str(tmp_path))
    bring()
    found = resolve(Run(dataset, "preact-resnet18", "mine", 4, 0, scale))
    assert found.batch_size == batch
    assert ("batch of 4096 cut down to all" in found.sources) == (batch in (320, 1437))


def test_figures_know_the_colour_that_a_plug_in_states(monkeypatch, bring):
    monkeypatch.setenv("DSR_METHODS", str(EXAMPLES))
    bring()
    assert styles_of(["trained-clip", "dsr-if"])["trained-clip"] == Style("#2F4F4F", "s")


def test_a_plug_in_that_copies_a_built_in_method_does_not_look_like_it(tmp_path, monkeypatch, bring):
    (tmp_path / "mine.py").write_text("from benchmarks.methods import BUILT_IN\nMETHOD = BUILT_IN['qcfs']\n")
    monkeypatch.setenv("DSR_METHODS", str(tmp_path))
    bring()
    found = styles_of(["mine", "qcfs"])
    assert found["qcfs"] == styles_of(["qcfs"])["qcfs"]
    assert found["mine"].colour == found["qcfs"].colour
    assert found["mine"].marker != found["qcfs"].marker


def test_a_parent_that_a_plug_in_states_is_its_recipes(tmp_path, monkeypatch, bring):
    text = lif().replace("LIF)", "LIF, parent='dsr-ann')")
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.setenv("DSR_METHODS", str(tmp_path))
    bring()
    assert parent(run_of("mine")) == run_of("dsr-ann", 1)


def test_planning_asks_a_plug_in_about_itself_before_methods_are_loaded():
    code = "from benchmarks.recipes import timeless as still\nassert still('trained-clip-ann') > still('trained-clip')"
    environment = os.environ | {"DSR_METHODS": str(EXAMPLES)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_a_plug_in_that_asks_for_all_methods_while_it_is_loaded_is_named_in_one_line(tmp_path, monkeypatch):
    text = "from benchmarks.methods import METHODS\nMETHOD = dict(METHODS)['ann']\n"
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.setenv("DSR_METHODS", str(tmp_path))
    with pytest.raises(BadInput, match=r"mine\.py cannot be loaded: BadInput: a plug-in may not read ") as refused:
        catalogue.from_outside.__wrapped__()
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).count("cannot be loaded") == 1


@pytest.mark.slow
@pytest.mark.long
def test_a_sweep_runs_a_conversion_and_its_parent_from_one_file(tmp_path):
    environment = os.environ | {"DSR_METHODS": str(EXAMPLES), "DSR_RESULTS": str(tmp_path), "DSR_TRACKING": "off"}
    words = ["sweep", "quick", "--methods", "trained-clip", "--timesteps", "2", "--seeds", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("runs/digits-smoke/trained-clip*/result.json"))) == 2
    assert "trained-clip-ann" in (tmp_path / "reports" / "quick-smoke" / "tables.md").read_text()


@pytest.mark.parametrize("edited", ["my_lif.py", "_shared.py", "_kernel.c"])
def test_an_edit_makes_it_another_experiment_and_taking_it_back_the_old_one(edited, tmp_path, monkeypatch, bring):
    (tmp_path / "my_lif.py").write_text(f"import _shared\n{lif()}")
    (tmp_path / "_shared.py").write_text("WIDTH = 1.0\n")
    (tmp_path / "_kernel.c").write_text("// one\n")
    monkeypatch.setenv("DSR_METHODS", str(tmp_path))
    keys = []
    for more in ("", "# something else\n", ""):
        with (tmp_path / edited).open("r+") as file:
            before = file.read()
            file.write(more)
        bring()
        keys.append(key(run_of("my-lif")))
        (tmp_path / edited).write_text(before)
    assert keys[0] == keys[2] != keys[1]


def test_a_packages_sources_are_its_code(tmp_path, monkeypatch, bring):
    (tmp_path / "kernels_of_mine").mkdir()
    (tmp_path / "kernels_of_mine" / "__init__.py").write_text(lif())
    (tmp_path / "kernels_of_mine" / "kernel.cu").write_text("// one\n")
    monkeypatch.syspath_prepend(tmp_path)
    name_entry_point(monkeypatch, "mine", "kernels_of_mine:METHOD")
    bring()
    before = resolve(run_of("mine"))
    assert before == Recipe(**{**vars(CIFAR), "code": before.code, "sources": before.sources})
    (tmp_path / "kernels_of_mine" / "kernel.cu").write_text("// two\n")
    (tmp_path / "kernels_of_mine" / "notes.txt").write_text("no code\n")
    bring()
    after = resolve(run_of("mine"))
    assert after.code not in (None, before.code)
    (tmp_path / "kernels_of_mine" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "kernels_of_mine" / ".ipynb_checkpoints" / "kernel-checkpoint.cu").write_text("// one\n")
    (tmp_path / "kernels_of_mine" / "._kernel.cu").write_bytes(b"\0\5\26\7")
    bring()
    assert resolve(run_of("mine")).code == after.code, "what begins with a dot is no code"


def test_a_file_that_begins_with_a_dot_is_no_plug_in(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(lif())
    (tmp_path / "._mine.py").write_bytes(b"\0\5\26\7")
    monkeypatch.setenv("DSR_METHODS", str(tmp_path))
    assert list(catalogue.from_outside.__wrapped__()) == ["mine"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ann", "json:loads", "a method of that name exists already"),
        ("mine", "nowhere_to_be_found:METHOD", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere"),
        ("mine", "json:loads", "is not a benchmarks.method.Method"),
    ],
)
def test_an_entry_point_that_is_wrong_is_named_in_one_line(name, value, said, monkeypatch):
    name_entry_point(monkeypatch, name, value)
    with pytest.raises(BadInput, match=said) as refused:
        catalogue.from_outside.__wrapped__()
    assert f"method plug-in {name!r} ({value})" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import nowhere_to_be_found\n",
            "cannot be loaded: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("METHOD = (\n", "cannot be loaded: SyntaxError: '(' was never closed"),
        ("", "must make METHOD, a Method, or METHODS, Methods by name"),
        ("METHODS = []\n", "must make METHOD, a Method, or METHODS, Methods by name"),
        ("METHOD = 3\n", "is not a benchmarks.method.Method"),
        (lif() + "METHODS = {'dsr-if': METHOD}\ndel METHOD\n", "a method of that name exists already"),
        (lif() + "METHODS = {'a@b=1': METHOD}\ndel METHOD\n", "its name contains an @"),
    ],
)
def test_a_file_that_is_wrong_is_named_in_one_line(text, said, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.setenv("DSR_METHODS", str(tmp_path / "mine.py"))
    with pytest.raises(BadInput) as refused:
        catalogue.from_outside.__wrapped__()
    assert said in str(refused.value)
    assert str(tmp_path / "mine.py") in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("named", ["nowhere", "mine.txt"])
def test_a_place_without_methods_is_refused(named, tmp_path, monkeypatch):
    monkeypatch.setenv("DSR_METHODS", str(tmp_path / named))
    with pytest.raises(BadInput, match="DSR_METHODS must name a Python file or a folder of Python files, not"):
        catalogue.from_outside.__wrapped__()


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("lambda run, usual: usual.nothing", "its recipe for mine T=4 seed 0, .* cannot be made: AttributeError"),
        ("lambda run, usual: None", "its recipe for mine T=4 seed 0, .* is not a benchmarks.spec.Recipe"),
    ],
)
def test_a_recipe_that_is_none_is_named_in_one_line(recipe, said, tmp_path, monkeypatch, bring):
    (tmp_path / "mine.py").write_text(lif().replace("LIF)", f"LIF, recipe={recipe})"))
    monkeypatch.setenv("DSR_METHODS", str(tmp_path / "mine.py"))
    bring()
    with pytest.raises(BadInput, match=said):
        resolve(run_of("mine"))
    assert "its recipe for mine" in contract.broken(contract.has_a_recipe, "mine")


def test_doctor_says_where_methods_come_from(monkeypatch, bring, capsys):
    monkeypatch.setenv("DSR_METHODS", str(EXAMPLES))
    bring()
    doctor.report(Console(width=300))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "arctan-lif" in line]
    assert line.startswith(f" ok   method       arctan-lif, from {EXAMPLES / 'arctan_lif.py'}, code ")


def test_a_file_that_changes_while_a_sweep_begins_costs_the_run_and_says_why(tmp_path, monkeypatch, bring):
    (tmp_path / "mine.py").write_text(lif())
    monkeypatch.setenv("DSR_METHODS", str(tmp_path / "mine.py"))
    bring()
    planned = store.directory(tmp_path, run := run_of("mine"))
    planned.mkdir(parents=True)
    (tmp_path / "mine.py").write_text(lif("changed"))
    bring()
    monkeypatch.setattr(process, "redirect", lambda log: None)
    monkeypatch.setattr(process.partials, "fences", {})
    monkeypatch.setattr(signal, "signal", lambda *of: None)
    with pytest.raises(SystemExit, match="the file that makes mine has changed since this was planned"):
        process.work(run, planned, tmp_path, None, None, None, {}, tmp_path)
