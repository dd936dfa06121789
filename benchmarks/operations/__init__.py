"""How synaptic operations are counted.

Read in this order: `structure` (which layer is fed by which neuron), `geometry` (operations per input value), `tally`
(nonzero values counted during a forward pass), `ledger` (operations per layer), `counter` (totals per image). Derived
from the ledger: `neurobench` and `silence`.
"""
