"""MLflow as a mirror of the run directories; no run depends on it."""
