"""MLflow mirrors the run directories: `mirror` writes, in the process of `background`, which `observer` asks."""
