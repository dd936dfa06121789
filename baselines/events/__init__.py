"""Event-driven simulation of converted networks: a spike adds the weights behind it to the membranes it reaches."""

from baselines.events.simulation import IMAGES, SOURCE, Passed, Program

__all__ = ["IMAGES", "SOURCE", "Passed", "Program"]
