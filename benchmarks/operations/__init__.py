"""How a synaptic operation is counted. In order: structure, geometry, tally, ledger, counter; then derived views."""
