"""Sections about single neurons, training cost and regressions, each from records of its own."""
