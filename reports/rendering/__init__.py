"""One table (`table`), many renderings: terminal, Markdown and LaTeX; `svg` makes drawings small for a page."""
