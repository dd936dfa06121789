"""Methods whose gradient goes through spike counts: spikes forward, one backward pass as of an ANN.

measured  a measured value with a slope of its own
pairs     a network on rates with a graph and on spike trains without one, layer by layer
tandem    Tandem learning, on pairs: slope [y > 0], norms of counts
rate_bp   rate-based backpropagation, on pairs: measured slopes
flow      a network step by step without a graph, then once on the sums over all steps
asf_bp    ASF-BP, on sums: one measured slope per layer
"""
