/* STBP's neuron on a CPU: all steps of a neuron in one pass, forward and backward; equations in `neuron.py`. float32.
 *
 * Tensors are [T][count], contiguous. A thread takes STRIP neurons through all steps: what passes from step to step
 * stays in its first cache, and each tensor is read or written once.
 */
#include <math.h>
#include <stdint.h>

#define STRIP 1024

typedef struct {
    int64_t timesteps, count;
    float threshold, decay, width;
    int32_t triangle, soft, detach;
} Neuron;

/* `soft` and the other flags are constants in every call, so that the compiler makes branch-free loops */
#define INLINE static inline __attribute__((always_inline))

INLINE void strip_forward(const Neuron *of, const float *x, float *membranes, float *spikes, int64_t from, int64_t many,
                          const int soft)
{
    const float threshold = of->threshold, decay = of->decay;
    float held[STRIP] = {0};
    for (int64_t t = 0; t < of->timesteps; t++) {
        const int64_t at = t * of->count + from;
        for (int64_t i = 0; i < many; i++) {
            const float u = x[at + i] + decay * held[i];
            const float spike = u > threshold ? 1.0f : 0.0f;
            membranes[at + i] = u;
            spikes[at + i] = spike;
            held[i] = soft ? u - threshold * spike : (u > threshold ? 0.0f : u);
        }
    }
}

INLINE void strip_backward(const Neuron *of, const float *grad, const float *membranes, float *grad_x, int64_t from,
                           int64_t many, const int soft, const int triangle, const int detach)
{
    const float threshold = of->threshold, decay = of->decay, height = 1.0f / of->width, half = of->width / 2;
    float later[STRIP] = {0}; /* dL/dh_t */
    for (int64_t t = of->timesteps - 1; t >= 0; t--) {
        const int64_t at = t * of->count + from;
        for (int64_t i = 0; i < many; i++) {
            const float u = membranes[at + i], distance = fabsf(u - threshold);
            const float slope = triangle ? fmaxf(1.0f - distance * height, 0.0f) * height
                                         : (distance < half ? height : 0.0f);
            const float through_reset = detach ? 0.0f : later[i] * (soft ? threshold : u);
            const float kept = soft || u <= threshold ? later[i] : 0.0f;
            const float out = kept + (grad[at + i] - through_reset) * slope;
            grad_x[at + i] = out;
            later[i] = decay * out;
        }
    }
}

/* x -> membranes, spikes */
void forward(const Neuron *of, const float *x, float *membranes, float *spikes, int64_t threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t from = 0; from < of->count; from += STRIP) {
        const int64_t many = of->count - from < STRIP ? of->count - from : STRIP;
        if (of->soft)
            strip_forward(of, x, membranes, spikes, from, many, 1);
        else
            strip_forward(of, x, membranes, spikes, from, many, 0);
    }
}

#define CASE(soft, triangle, detach)                                                          \
    case 4 * soft + 2 * triangle + detach:                                                    \
        strip_backward(of, grad, membranes, grad_x, from, many, soft, triangle, detach);      \
        break;

/* dL/dspikes, membranes -> dL/dx */
void backward(const Neuron *of, const float *grad, const float *membranes, float *grad_x, int64_t threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t from = 0; from < of->count; from += STRIP) {
        const int64_t many = of->count - from < STRIP ? of->count - from : STRIP;
        switch (4 * !!of->soft + 2 * !!of->triangle + !!of->detach) {
            CASE(0, 0, 0) CASE(0, 0, 1) CASE(0, 1, 0) CASE(0, 1, 1)
            CASE(1, 0, 0) CASE(1, 0, 1) CASE(1, 1, 0) CASE(1, 1, 1)
        }
    }
}
