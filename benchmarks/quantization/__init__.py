"""How well a firing rate over few steps stands for the clamp that DSR differentiates (paper, Sec. 3.3 and 4, Fig. 2).

split.py     the representation error of a neuron, and of every layer of a network, in its two parts
studies.py   single neurons: rate against current, error against alpha and N, convergence, bias of the deviation
command.py   `dsr-bench quantization`: the CSV files and the page drawn from them
"""
