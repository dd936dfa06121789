"""One table (`table`), many renderings: terminal, Markdown, LaTeX, and the HTML page with its drawings (`svg`)."""
