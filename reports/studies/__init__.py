"""Sections that come from records of their own instead of rows of runs: `perf`, `quantization`, `regression`."""
