"""Answers from committed rows and run directories: the best lines, two runs compared, a run and its paper's protocol.

`benchmarks.cli.queries` has the commands (`best`, `diff`, `why`); `lookup` finds the run that a word names.
"""
