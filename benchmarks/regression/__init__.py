"""Has anything become worse? What this checkout does and costs, against what stands committed.

finding.py      one quantity of one group, its baseline, and the verdict
steps.py        step time and memory against this machine's records in results/perf
overhead.py     the harness against its budget
convergence.py  brief trainings with fixed seeds
points.py       the reference points that they are held against, results/regression/convergence.csv
rows.py         result CSVs against those of a commit
history.py      what every check found, results/regression/history/<machine>.csv
command.py      `dsr-bench regression` (`tox -e regression`)
"""
