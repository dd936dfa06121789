"""The training loop, its optimiser and learning-rate schedule, and thresholds set by the first batch."""
