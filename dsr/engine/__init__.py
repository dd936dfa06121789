"""DSR without its waste: one network, run on spike trains instead of dense tensors over time.

graph.py                 walks a network's graph and asks an engine what each layer means
inference.py             spikes only: norms, amplitudes and pools of currents folded into one affine map per channel
representation_space.py  dsr-*-rep: inference, beside it the representation with a graph
exact.py                 dsr-*: the released gradient with one input-gradient convolution instead of T
signals.py               spike trains, and currents that are affine in them
trains.py                spikes and what can be asked of them, in torch: any device, any dtype
packed.py                the same on packed bits, by spikes.c (lanes.h: AVX-512 or AVX2): CPUs, float32
processes.py             statistics over a batch that several processes share
kernels.py               compiles and caches spikes.c
"""
