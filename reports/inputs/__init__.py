"""What a report reads, typed and checked: rows, layers and curves, predictions, published numbers. Nothing derived."""
