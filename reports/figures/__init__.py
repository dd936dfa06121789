"""Figures in one style, as SVG for the page and PDF for papers.

`runs` lists all figures of runs. `series` says what they are drawn from, `drawing` and `appearance` how they look.
Every other module is one kind of figure, or what one needs (`pareto`, `label_placement`).
"""
