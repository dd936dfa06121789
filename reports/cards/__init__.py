"""Cards of runs and of models."""
