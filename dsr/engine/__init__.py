"""Fast engines for DSR: they run a network on spike trains instead of dense tensors over time.

graph.py                 walks a network's graph; an engine defines what each layer does
inference.py             spikes only; norms, amplitudes and shortcuts fold into affine maps of spike trains
representation_space.py  dsr-*-rep: inference, together with the representation, which has a graph
exact.py                 dsr-*: the released gradient with one input-gradient convolution instead of T
exact_functions.py       the autograd functions of exact.py
signals.py               spike trains, and currents that are affine in them
trains.py                operations on spike trains in torch, for any device and dtype
packed.py                the same on packed bits, by spikes.c (permutes.h: AVX-512, rows.h: AVX2), for CPUs in float32
bits.py                  bits channels last, and gradients of convolution weights from them, by bits.c
layout.py                memory layout of packed spikes
processes.py             statistics over a batch that several processes share
kernels.py               compiles and caches C files
"""
