"""Tables of a report before they are rendered: each module turns rows into `reports.rendering.table.Table`.

`comparison` makes the lines (means over seeds) that most of the others, and all figures, start from.
"""
