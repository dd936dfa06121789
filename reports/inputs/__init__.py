"""Everything that a report reads: rows, layers, curves, predictions and published numbers."""
