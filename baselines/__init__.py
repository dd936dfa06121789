"""The methods DSR is compared with, each in a file of its own. Depends on torch alone; knows no other package here.

Tensors are time-major with time folded into the batch: row `t * B + b` of a `(T*B, ...)` tensor is image b at step t.
"""
