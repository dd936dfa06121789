"""Energy of one image's inference, derived from counted operations and never stored.

`models` (arithmetic alone) and `lemaire` (with memory access) turn counts into joules; `constants` are theirs, or those
of a file; `by_model` puts all of them next to each other, and `tables` prints that.
"""
