"""Cost of a training step and of an inference step, per method and T, measured by pytest-benchmark in one session.

subjects.py       the networks that are timed
peers.py          other projects' implementations, if installed
reference.py      a torch kernel timed alternately with every step, to cancel changes of the machine's speed
bench_steps.py    the step benchmarks (`tox -e perf`)
harness.py        the overhead of the harness over a minimal training loop around the same network
bench_harness.py  its benchmarks (`tox -e regression`), and the time that a command needs to start
bench_*.py        further benchmarks: batches, counting operations, simulation of a conversion
conftest.py       options of the benchmarks
memory.py         peak memory of one step, in a separate process
machine.py        convolution rates and copy bandwidth of this machine, and a lower bound of a step's time
record.py         runs the benchmarks, stores one record per machine and setting, and compares
"""
