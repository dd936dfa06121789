"""Intervals of an accuracy, differences of two, and what pairing test images adds. `claims` judges these numbers."""
