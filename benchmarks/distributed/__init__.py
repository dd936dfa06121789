"""Several processes that train one network together, as started by `torchrun`."""
