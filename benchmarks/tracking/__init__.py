"""MLflow mirrors the run directories: `mirror` writes, `background` does so in a process of its own, `observer` asks it."""
