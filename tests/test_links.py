"""What the README and docs/ point to is there, and what the code says of them is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "results" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_sections_that_messages_name_are_there() -> None:
    folders = (ROOT / "benchmarks", ROOT / "reports")
    sources = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    named = set(re.findall(r"README, ([A-Z][a-z]+)", sources))
    assert {"Data", "Limits", "Scales"} <= named
    headings = set(re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert named <= headings
    assert all((ROOT / page).exists() for page in re.findall(r"docs/\w+\.md", sources))
