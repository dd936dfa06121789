"""Event-driven simulation of converted networks: a spike adds its weights to the membranes that it reaches.

paths        what leads from one layer of neurons to the next, read from a network's graph
maps         what enters linear layers, where its nonzero values are counted
simulation   a network prepared for simulation, and its run
membranes    the state of a run, which the C code (`events.c`) advances step by step
"""

from baselines.events.membranes import READ_ALL, Presimulation
from baselines.events.simulation import IMAGES, SOURCE, Passed, Program

__all__ = ["IMAGES", "READ_ALL", "SOURCE", "Passed", "Presimulation", "Program"]
