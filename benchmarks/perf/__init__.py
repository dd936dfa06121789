"""What a training step and an inference step cost, per method and T: pytest-benchmark, side by side in one run.

subjects.py     what is timed
peers.py        other people's implementations, where they are installed
reference.py    a kernel of torch's, timed in turn with every step: what a noisy machine cannot move
bench_steps.py  the benchmarks (`tox -e perf` runs them)
harness.py      the harness and a plainly written loop around the same network, and the overhead that follows
bench_harness.py  their benchmarks, and what starting costs (`tox -e regression` runs them but for the start)
session.py      one pytest session of benchmarks
conftest.py     their options
memory.py       peak bytes of one step, in a process of its own
machine.py      convolution rates and copy bandwidth of this machine, and the floor that follows from them
record.py       keeps one file per machine and setting, and compares
"""
