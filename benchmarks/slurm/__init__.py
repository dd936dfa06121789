"""A sweep on a Slurm cluster: jobs that call `dsr-bench work` over one results folder, submitted through submitit.

    settings    what a job asks for: the command line, over `dsr-bench.toml`, over defaults
    submission  the jobs that are sent to Slurm, and what is recorded of them in the results folder
    queue       what Slurm's own commands say, and cancelling
    worker      what a job does: it starts `dsr-bench work`, and requeues itself when its time is up
    command     `sweep --launcher slurm` and `cancel`

No job knows which runs it will carry out. Result files say what is done, never Slurm's states: those need accounting,
which many clusters do not have, and job ids are used again.
"""
