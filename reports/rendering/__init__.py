"""One form of a table (`table`), many renderings: terminal, Markdown, LaTeX, and the HTML page (`svg`: drawings)."""
