"""The citation file, against what the Citation File Format 1.2.0 asks for and what the package says of itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import benchmarks

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ROOT = Path(__file__).parent.parent
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text())
# of the format's schema: all keys there are at the top, and of a reference those in use here
KEYS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords",
    "license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact",
    "repository-code", "title", "type", "url", "version",
}  # fmt: skip


def test_it_has_the_keys_of_the_format_and_no_other():
    assert CITED["cff-version"] == "1.2.0"
    assert {"cff-version", "message", "title", "authors"} <= set(CITED) <= KEYS
    assert CITED["type"] in ("software", "dataset")
    assert all(isinstance(CITED[key], str) for key in ("message", "title", "license", "abstract"))
    assert all(set(author) <= {"name", "family-names", "given-names"} for author in CITED["authors"])


def test_it_says_what_the_package_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert CITED["title"].startswith(project["name"])
    assert CITED["license"] == project["license"]
    assert CITED["version"] == benchmarks.__version__, "YAML reads a version of two numbers as a float"
    assert CITED["authors"][0]["name"] in (ROOT / "LICENSE").read_text()


def test_it_refers_to_the_papers_authors_in_their_order():
    (paper,) = CITED["references"]
    assert {"type", "title", "authors"} <= set(paper)
    assert " ".join(author["family-names"] for author in paper["authors"]) == "Meng Xiao Yan Wang Lin Luo"
    assert (paper["type"], paper["year"]) == ("conference-paper", 2022)
    assert paper["title"] in " ".join((ROOT / "README.md").read_text().replace("*", "").split())
    assert set(paper["conference"]) == {"name"}, "a conference is an entity, and an entity has a name"
