"""Intervals and differences of accuracies."""
