"""MLflow mirrors the run directories: `mirror` writes, `observer` calls it while runs go on, `derived` is added."""
