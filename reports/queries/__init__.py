"""Questions to results that are there: which are best, how two runs differ, why a run is not the paper's."""
