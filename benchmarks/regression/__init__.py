"""Regression checks: results and cost of this checkout compared with committed ones.

finding.py      one quantity of one group, its baseline, and the verdict
steps.py        step time and memory, compared with this machine's record in results/perf
overhead.py     the overhead of the harness, compared with its budget
convergence.py  brief trainings with fixed seeds, compared with reference points
points.py       the reference points, results/regression/convergence.csv
rows.py         result CSVs, compared with those of a commit
history.py      results of all checks, results/regression/history/<machine>.csv
command.py      `dsr-bench regression` (`tox -e regression`)
"""
