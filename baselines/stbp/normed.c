/* STBP's neuron behind its norm on a CPU: norm and all steps of a neuron in one pass each way. float32.
 *
 *   z_t = scale x_t + shift          the norm, per channel
 *   u_t = decay h_{t-1} + z_t        and so on, see `neuron.py`
 *
 * Tensors are [T][pixels][channels], contiguous (NHWC). A thread takes a strip of neurons through all steps. Only x is
 * kept for backward, which simulates a strip again before it goes back through its steps: `strip` times T membranes fit
 * the cache. Spikes are written as floats and as bits: bit i of a pixel's word w is channel 16 w + i.
 */
#include "../fused/norms.c"
#include "stbp.c"
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define WORD 16     /* channels in a word of bits */
#define LARGEST 2048 /* neurons in a strip, unless there are more channels */
#define MEMBRANES 32768

typedef struct {
    Neuron neuron; /* count: neurons of one step, pixels times channels */
    int64_t channels, threads;
    const float *scale, *shift;
} Normed;

/* the number of neurons in a strip, whole pixels */
int64_t strip_of(int64_t timesteps, int64_t channels)
{
    int64_t most = MEMBRANES / timesteps;
    most = most > LARGEST ? LARGEST : most;
    return most > channels ? most / channels * channels : channels;
}

INLINE uint16_t word_of(const float *spikes)
{
#if defined(__AVX512F__)
    return (uint16_t)_mm512_test_epi32_mask(_mm512_loadu_si512(spikes), _mm512_set1_epi32(-1));
#elif defined(__AVX2__)
    const __m256 none = _mm256_setzero_ps();
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(spikes), none, _CMP_NEQ_UQ));
    const int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(spikes + 8), none, _CMP_NEQ_UQ));
    return (uint16_t)(low | high << 8);
#else
    uint16_t word = 0;
    for (int i = 0; i < WORD; i++) word |= (uint16_t)((spikes[i] != 0) << i);
    return word;
#endif
}

/* spikes [many / channels][channels] -> bits [many / channels][words of a pixel] */
static void pack(const float *spikes, int64_t many, int64_t channels, uint16_t *bits)
{
    const int64_t whole = channels / WORD * WORD;
    for (int64_t pixel = 0; pixel < many; pixel += channels) {
        for (int64_t c = 0; c < whole; c += WORD) *bits++ = word_of(spikes + pixel + c);
        if (whole == channels) continue;
        uint16_t word = 0;
        for (int64_t c = whole; c < channels; c++) word |= (uint16_t)((spikes[pixel + c] != 0) << (c - whole));
        *bits++ = word;
    }
}

/* by_channel [channels], repeated over a strip */
static void repeat(const float *by_channel, int64_t channels, int64_t strip, float *lanes)
{
    for (int64_t i = 0; i < strip; i += channels) memcpy(lanes + i, by_channel, (size_t)channels * sizeof(float));
}

/* one step of a strip: membranes u, and what stays of them in `held` */
INLINE void simulate(const Neuron *of, const float *restrict x, const float *restrict scale,
                     const float *restrict shift, float *restrict held, float *restrict membranes, int64_t many,
                     const int soft)
{
    const float threshold = of->threshold, decay = of->decay;
    for (int64_t i = 0; i < many; i++) {
        const float u = (scale[i] * x[i] + shift[i]) + decay * held[i];
        membranes[i] = u;
        held[i] = soft ? u - (u > threshold ? threshold : 0.0f) : (u > threshold ? 0.0f : u);
    }
}

INLINE void fire(const Neuron *of, const float *restrict x, const float *restrict scale, const float *restrict shift,
                 float *restrict held, float *restrict spikes, int64_t many, const int soft)
{
    const float threshold = of->threshold, decay = of->decay;
    for (int64_t i = 0; i < many; i++) {
        const float u = (scale[i] * x[i] + shift[i]) + decay * held[i];
        spikes[i] = u > threshold ? 1.0f : 0.0f;
        held[i] = soft ? u - (u > threshold ? threshold : 0.0f) : (u > threshold ? 0.0f : u);
    }
}

/* x -> spikes, and bits [T][pixels][words] */
void normed_forward(const Normed *of, const float *x, float *spikes, uint16_t *bits)
{
    const Neuron *neuron = &of->neuron;
    const int64_t count = neuron->count, channels = of->channels, strip = strip_of(neuron->timesteps, channels);
    const int64_t words = (channels + WORD - 1) / WORD;
    float scale[strip], shift[strip];
    repeat(of->scale, channels, strip, scale);
    repeat(of->shift, channels, strip, shift);
#pragma omp parallel for schedule(static) num_threads(of->threads)
    for (int64_t from = 0; from < count; from += strip) {
        const int64_t many = count - from < strip ? count - from : strip;
        float held[strip];
        memset(held, 0, sizeof held);
        for (int64_t t = 0; t < neuron->timesteps; t++) {
            const int64_t at = t * count + from;
            if (neuron->soft)
                fire(neuron, x + at, scale, shift, held, spikes + at, many, 1);
            else
                fire(neuron, x + at, scale, shift, held, spikes + at, many, 0);
            pack(spikes + at, many, channels, bits + at / channels * words);
        }
    }
}

/* one step back: dL/dz from dL/dspikes; `later` is dL/dh_t, then dL/dh_{t-1}; the lanes' sums of dL/dz and of
 * dL/dz (x - mean) */
INLINE void step_back(const Neuron *of, const float *restrict grad, const float *restrict membranes,
                      const float *restrict x, const float *restrict mean, float *restrict later,
                      float *restrict grad_z, float *restrict sum, float *restrict product, int64_t many,
                      const int soft, const int triangle, const int detach)
{
    const float threshold = of->threshold, decay = of->decay, height = 1.0f / of->width, half = of->width / 2;
    for (int64_t i = 0; i < many; i++) {
        const float u = membranes[i], after = later[i], distance = fabsf(u - threshold);
        const float rising = 1.0f - distance * height, tip = rising > 0.0f ? rising : 0.0f;
        const float slope = triangle ? tip * height : (distance < half ? height : 0.0f);
        const float through_reset = detach ? 0.0f : after * (soft ? threshold : u);
        const float kept = soft || u <= threshold ? after : 0.0f;
        const float out = kept + (grad[i] - through_reset) * slope;
        grad_z[i] = out;
        later[i] = decay * out;
        sum[i] += out;
        product[i] += out * (x[i] - mean[i]);
    }
}

/* all steps of a strip back; the sums of its dL/dz and dL/dz (x - mean) are added to `sums` [2][strip] */
INLINE void strip_back(const Normed *of, const float *x, const float *grad, float *grad_z,
                       const float *const lanes[3], float *membranes, double *sums, int64_t strip, int64_t from,
                       int64_t many, const int soft, const int triangle, const int detach)
{
    const Neuron *neuron = &of->neuron;
    const int64_t count = neuron->count;
    float held[strip], sum[strip], product[strip];
    memset(held, 0, sizeof held);
    for (int64_t t = 0; t < neuron->timesteps; t++)
        simulate(neuron, x + t * count + from, lanes[0], lanes[1], held, membranes + t * strip, many, soft);
    memset(held, 0, sizeof held);
    memset(sum, 0, sizeof sum);
    memset(product, 0, sizeof product);
    for (int64_t t = neuron->timesteps - 1; t >= 0; t--) {
        const int64_t at = t * count + from;
        step_back(neuron, grad + at, membranes + t * strip, x + at, lanes[2], held, grad_z + at, sum, product, many,
                  soft, triangle, detach);
    }
    for (int64_t i = 0; i < many; i++) sums[i] += sum[i];
    for (int64_t i = 0; i < many; i++) sums[strip + i] += product[i];
}

#define BACK(soft, triangle, detach)                                                                            \
    case 4 * soft + 2 * triangle + detach:                                                                      \
        strip_back(of, x, grad, grad_z, lanes, membranes, sums, strip, from, many, soft, triangle, detach);     \
        break;

static void back(const Normed *of, const float *x, const float *grad, float *grad_z, const float *const lanes[3],
                 float *membranes, double *sums, int64_t strip, int64_t from, int64_t many)
{
    switch (4 * !!of->neuron.soft + 2 * !!of->neuron.triangle + !!of->neuron.detach) {
        BACK(0, 0, 0) BACK(0, 0, 1) BACK(0, 1, 0) BACK(0, 1, 1)
        BACK(1, 0, 0) BACK(1, 0, 1) BACK(1, 1, 0) BACK(1, 1, 1)
    }
}

/* x, dL/dspikes -> dL/dz, and per channel the sums of dL/dz and of dL/dz (x - mean)
 *
 * `scratch` [threads][T * strip]; `sums` [threads][2 * strip], zeros. */
void normed_backward(const Normed *of, const float *x, const float *grad, const float *mean, float *grad_z,
                     float *scratch, double *sums, double *sum, double *product)
{
    const int64_t count = of->neuron.count, channels = of->channels, threads = of->threads;
    const int64_t strip = strip_of(of->neuron.timesteps, channels), strips = (count + strip - 1) / strip;
    float constants[3][strip];
    const float *const lanes[3] = {constants[0], constants[1], constants[2]};
    repeat(of->scale, channels, strip, constants[0]);
    repeat(of->shift, channels, strip, constants[1]);
    repeat(mean, channels, strip, constants[2]);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t thread = 0; thread < threads; thread++)
        for (int64_t at = strips * thread / threads; at < strips * (thread + 1) / threads; at++) {
            const int64_t from = at * strip, many = count - from < strip ? count - from : strip;
            back(of, x, grad, grad_z, lanes, scratch + thread * of->neuron.timesteps * strip,
                 sums + thread * 2 * strip, strip, from, many);
        }
    for (int64_t thread = 0; thread < threads; thread++, sums += 2 * strip)
        for (int64_t i = 0; i < strip; i++) {
            sum[i % channels] += sums[i];
            product[i % channels] += sums[strip + i];
        }
}
