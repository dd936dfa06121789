"""MLflow mirrors the run directories: `mirror` writes, `observer` keeps it up to date, `derived` adds energies."""
