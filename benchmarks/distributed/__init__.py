"""Training of one network by several processes, which `torchrun` starts."""
