"""The methods that DSR is compared with. Depends on torch alone and imports no other package of this repository.

ann           readout of conventional networks, and of spiking networks by their mean output current
coding        what turns images into spikes
dropout       dropout whose mask is kept over time
conversion    spiking side of ANN-to-SNN conversion
calibration   thresholds and bias corrections of a converted network
clipped       threshold ReLU (Deng & Gu 2021), an activation for conversion
qcfs          quantization-clip-floor-shift (Bu et al. 2022), an activation for conversion
cq            quantised clamp (CQ training, Yan et al. 2021), an activation for conversion
spike_norm    thresholds of a converted network from its spikes' currents (Sengupta et al. 2019)
wrapped       a network that is run in another way
fused/        norm, addition and neuron in one pass each way, in training
stbp/         surrogate gradients through time: STBP-tdBN, NeuNorm, PLIF
counts/       gradients through spike counts: Tandem learning, ASF-BP
fine_tuned/   conversions that are trained through time: DIET-SNN, hybrid training
tssl/         TSSL-BP: gradients of spike times behind a synaptic filter
ide/          IDE: networks with feedback, differentiated at their equilibrium
events/       event-driven simulation of converted networks

Tensors are time-major with time folded into the batch: row `t * B + b` of a `(T*B, ...)` tensor is image b at step t.
"""
