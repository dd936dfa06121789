"""One table, many forms: terminal, Markdown, LaTeX and the HTML page."""
