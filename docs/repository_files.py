"""mkdocs hook: pages that lie outside `docs/`, and links from pages to other files of the repository.

GitHub and the site show the same Markdown. It links to files by their path in the repository; the site gets copies of
those files, under `files/`, and its links lead there.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "results/README.md": "csv-columns.md",
}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the files that pages link to."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    pages = list(files.documentation_pages())
    linked = {_source(_origin(page.src_uri), link) for page in pages for link in LINK.findall(page.content_string)}
    for source in sorted(linked):
        if _place(source).startswith("files/") and (ROOT / source).is_file():
            files.append(File.generated(config, _place(source), abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links lead to where the site has their files."""
    here = page.file.src_uri

    def relinked(link: re.Match[str]) -> str:
        place = _place(_source(_origin(here), link[1]))
        return posixpath.relpath(place, posixpath.dirname(here) or ".")

    return LINK.sub(relinked, markdown)


def _origin(page: str) -> str:
    """A page's path in the repository."""
    return next((source for source, place in PAGES.items() if place == page), f"docs/{page}")


def _source(origin: str, link: str) -> str:
    """The path in the repository that a link in `origin` leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def _place(source: str) -> str:
    """The path in the site of a file of the repository."""
    return PAGES.get(source) or (source.removeprefix("docs/") if source.startswith("docs/") else f"files/{source}")
