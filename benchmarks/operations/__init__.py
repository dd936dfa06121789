"""How synaptic operations are counted.

Read in this order: `origins` (where a value comes from, and what it is), `structure` (which layer is fed by which
neurons), `geometry` (operations per input value), `tally` (values counted during a forward pass), `ledger` (operations
per layer), `counter` (totals per image). `ledger_rows` reads a ledger back; `neurobench` and `silence` derive from it.
"""
