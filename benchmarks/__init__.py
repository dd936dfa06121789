"""The harness: one network, trained by every method, measured the same way."""

__version__ = "0.1.0"
