"""Links in the documentation lead somewhere, and the pages that messages name exist."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("dsr", "baselines", "benchmarks", "reports")
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "results" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_that_messages_name_exist() -> None:
    sources = "".join(path.read_text() for part in CODE for path in (ROOT / part).rglob("*.py"))
    named = set(re.findall(r"docs/[\w-]+\.md", sources))
    assert {"docs/data.md", "docs/limits.md", "docs/scales.md", "docs/several-machines.md"} <= named
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_folders_that_pages_name_exist(page: Path) -> None:
    named = re.findall(r"`((?:dsr|baselines|benchmarks|reports|tests|examples)/[\w./-]*)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawing = (ROOT / "docs" / "architecture.svg").read_text()
    for part in ("benchmarks", "reports"):
        rooms = sorted(init.parent.name for init in (ROOT / part).glob("*/__init__.py"))
        assert [room for room in rooms if f"{room}/" not in text] == []
        assert [room for room in rooms if not re.search(rf"\b{room}\b", drawing)] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 900


def test_the_readme_shows_the_smallest_example_as_it_is() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    _, _, code = (ROOT / "examples" / "sigmoid_lif.py").read_text().split('"""', 2)
    assert shown.strip() == code.strip()


def test_packages_ship_all_their_files() -> None:
    """What is no Python source reaches an installed package through `package-data` alone."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    data = setup["package-data"]
    for package in setup["packages"]:
        folder = ROOT / package.replace(".", "/")
        patterns = [*data.get("*", []), *data.get(package, [])]
        files = [path.name for path in folder.iterdir() if path.is_file() and path.suffix not in (".py", ".pyc")]
        assert [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)] == [], package
    assert all((ROOT / part / "py.typed").exists() for part in CODE)
