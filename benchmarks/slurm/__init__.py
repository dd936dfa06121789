"""Runs a sweep on a Slurm cluster: submitit submits jobs that call `dsr-bench work` with the same results folder.

    settings    what a job asks for: the command line, over `dsr-bench.toml`, over defaults
    submission  the jobs that are sent to Slurm, and what is recorded of them in the results folder
    queue       what Slurm's own commands say, and cancelling
    worker      what a job does: it starts `dsr-bench work`, and requeues itself when its time is up
    command     `sweep --launcher slurm` and `cancel`

No job knows in advance which runs it will carry out. What is done is read from result files, never from the states of
Slurm's jobs: these need accounting, which many clusters do not have, and Slurm uses job ids again.
"""
