"""Figures of runs, in one style."""
