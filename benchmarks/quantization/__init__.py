"""How well a firing rate over few steps approximates the clamp that DSR differentiates (paper, Sec. 3.3, 4, Fig. 2).

split.py     the two parts of the representation error, for a neuron and for every layer of a network
studies.py   single neurons: rate against current, error against alpha and N, convergence, bias of the deviation
command.py   `dsr-bench quantization`: the CSV files and their page
"""
