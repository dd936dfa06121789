"""The methods that DSR is compared with. Depends on torch alone and imports no other package of this repository.

ann           readout of conventional networks, and of spiking networks by their mean output current
conversion    spiking side of ANN-to-SNN conversion
calibration   thresholds and bias corrections of a converted network
clipped       threshold ReLU (Deng & Gu 2021), an activation for conversion
qcfs          quantization-clip-floor-shift (Bu et al. 2022), an activation for conversion
fused/        norm, addition and neuron in one pass each way, in training
stbp/         surrogate gradients through time: STBP-tdBN, NeuNorm, PLIF
events/       event-driven simulation of converted networks

Tensors are time-major with time folded into the batch: row `t * B + b` of a `(T*B, ...)` tensor is image b at step t.
"""
