"""Methods whose gradient goes through spike counts: spikes forward, one backward pass as of an ANN.

pairs     a network on rates with a graph and on spike trains without one, layer by layer
tandem    Tandem learning, on pairs: slope [y > 0], norms of counts
flow      a network step by step without a graph, then once on the sums over all steps
asf_bp    ASF-BP, on sums: one measured slope per layer
"""
