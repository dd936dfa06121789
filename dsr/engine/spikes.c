/* Spiking layers on packed spikes, float32, AVX-512 or AVX2. Called by `packed.py`; `trains.py` does the same in torch.
 *
 * Spikes are bits: 32 channels to a word, the batch innermost, [T][ceil(channels / 32)][height][width][batch], the
 * batch padded to a multiple of 16. Dense tensors are torch's in channels_last, [rows][height * width][channels].
 *
 * A convolution of binary spikes is a sum of table lookups: the spikes of 4 channels select one of 16 possible sums of
 * their 4 weights. With AVX-512 a permute looks it up for 16 images (`permutes.h`), with AVX2 a load does for 8 output
 * channels (`rows.h`). Both add the same float32 numbers in the same order, so spikes and currents have the same bits:
 * terms as given, in a convolution row by row of the kernel, tap by tap, 4 input channels by 4.
 */
#include "dense.h"

#define WORD 32     /* channels in a word */
#define GROUP 4     /* input channels in one lookup */
#define PATTERNS 16 /* of their spikes */
#define TILE 4      /* output channels side by side in the sums of `time_variance` */
#define IMAGES 16   /* images whose spikes fill a cache line; the batch is a multiple of it */
#define RUN 16      /* consecutive pixels whose neurons are simulated together */

typedef struct {
    const uint32_t *spikes; /* [T][ceil(channels / 32)][height][width][batch] */
    const float *values;    /* tables of `tabulate`; or, with kernel = 0 (identity), one value per channel */
    int64_t channels, height, width, kernel, stride, padding;
} Term;

typedef struct {
    int64_t timesteps, batch, channels, height, width; /* of the output; batch is padded to a multiple of 16 */
    float leak, gain, level, threshold;                /* u <- leak u + gain current; fires at u >= level */
} Layer;

/* the lanes of a register: 16 with AVX-512, 8 with AVX2 */
int64_t lanes(void) { return LANES; }

LINE int64_t step_size(const Term *term, int64_t batch)
{
    return (term->channels + WORD - 1) / WORD * term->height * term->width * batch;
}

/* `tabulate`, `fire`, `currents` and `time_variance` */
#ifdef __AVX512F__
#include "permutes.h"
#else
#include "rows.h"
#endif

typedef struct {
    const float *scale, *shift; /* per channel */
    const float *weights;       /* of the steps in the mean current */
    uint8_t *state;             /* of the clamp at the mean current, [image][pixel][channel]; 0: not wanted */
    float ceiling;
    int64_t closed, repeated; /* repeated: the same currents at every step */
} Clamp;

/* all steps of an image at a pixel, `channels` of a word, in `registers` registers; step t's word goes to to[t * apart] */
LINE void fire_pixel(const Layer *layer, const Clamp *clamp, const float *current, int64_t step, int64_t c, int64_t channels,
                     uint8_t *state, uint32_t *to, int64_t apart, const int registers)
{
    Floats membrane[WORD / LANES], mean[WORD / LANES];
    for (int r = 0; r < registers; r++) membrane[r] = mean[r] = all(0);
    const uint32_t inside = channels < WORD ? (1u << channels) - 1 : 0xffffffffu;
    for (int64_t t = 0; t < layer->timesteps; t++, current += step) {
        uint32_t word = 0;
        for (int r = 0; r < registers; r++) {
            const Mask on = first_lanes(channels - r * LANES);
            const Floats x = load_where(on, current + r * LANES);
            if (state) mean[r] = clamp->repeated ? x : times_plus(x, all(clamp->weights[t]), mean[r]);
            const Floats scale = load_where(on, clamp->scale + c + r * LANES);
            const Floats shift = load_where(on, clamp->shift + c + r * LANES);
            Floats u = times(all(layer->gain), times_plus(x, scale, shift));
            u = times_plus(membrane[r], all(layer->leak), u);
            const Mask fires = at_least(u, all(layer->level));
            membrane[r] = minus_where(fires, u, all(layer->threshold));
            word |= bits_of(fires) << (r * LANES);
        }
        to[t * apart] = word & inside;
    }
    for (int r = 0; state && r < registers; r++) {
        const int64_t left = channels - r * LANES;
        const Mask on = first_lanes(left);
        const Floats scale = load_where(on, clamp->scale + c + r * LANES), shift = load_where(on, clamp->shift + c + r * LANES);
        store_some_bytes(state + r * LANES, clamped(times_plus(mean[r], scale, shift), all(clamp->ceiling), clamp->closed), left);
    }
}

/* sum over steps of weights[t] where word t, from[t * apart], has a spike */
LINE void weigh_pixel(const uint32_t *from, int64_t apart, const float *weights, int64_t timesteps, float *to,
                      int64_t channels, const int registers)
{
    Floats sum[WORD / LANES];
    for (int r = 0; r < registers; r++) sum[r] = all(0);
    for (int64_t t = 0; t < timesteps; t++)
        for (int r = 0; r < registers; r++)
            sum[r] = plus_where(lanes_of(from[t * apart] >> (r * LANES)), sum[r], all(weights[t]));
    for (int r = 0; r < registers; r++) store_where(first_lanes(channels - r * LANES), to + r * LANES, sum[r]);
}

#if WORD / LANES == 2
#define FOR_REGISTERS(channels, call)            \
    switch (((channels) + LANES - 1) / LANES) {  \
    case 1: call(1); break;                      \
    default: call(2);                            \
    }
#else
#define FOR_REGISTERS(channels, call)            \
    switch (((channels) + LANES - 1) / LANES) {  \
    case 1: call(1); break;                      \
    case 2: call(2); break;                      \
    case 3: call(3); break;                      \
    default: call(4);                            \
    }
#endif

/* a neuron layer on dense currents, clamp->scale[channel] * current + clamp->shift[channel] */
void fire_dense(const Layer *layer, const Clamp *clamp, const float *dense, uint32_t *out, int64_t images, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD, pixels = layer->height * layer->width;
    const int64_t image = layer->channels * pixels, step = clamp->repeated ? 0 : images * image;
#pragma omp parallel num_threads(threads)
    {
        uint32_t *run = calloc(layer->timesteps * RUN * IMAGES, sizeof *run); /* [step][pixel][image] */
#pragma omp for collapse(3) schedule(dynamic)
        for (int64_t word = 0; word < words; word++)
            for (int64_t first = 0; first < pixels; first += RUN)
                for (int64_t b = 0; b < layer->batch; b += IMAGES) {
                    const int64_t places = pixels - first < RUN ? pixels - first : RUN, c = word * WORD;
                    const int64_t channels = layer->channels - c < WORD ? layer->channels - c : WORD;
                    for (int64_t i = 0; i < IMAGES; i++)
                        for (int64_t place = 0; place < places; place++) {
                            const int64_t at = (b + i) * image + (first + place) * layer->channels + c;
                            uint32_t *to = run + place * IMAGES + i;
                            uint8_t *state = clamp->state ? clamp->state + at : 0;
                            if (b + i >= images) {
                                for (int64_t t = 0; t < layer->timesteps; t++) to[t * RUN * IMAGES] = 0;
                                continue;
                            }
#define CALL(registers) \
    fire_pixel(layer, clamp, dense + at, step, c, channels, state, to, RUN * IMAGES, registers)
                            FOR_REGISTERS(channels, CALL)
#undef CALL
                        }
                    for (int64_t t = 0; t < layer->timesteps; t++)
                        for (int64_t place = 0; place < places; place++) {
                            uint32_t *to = out + ((t * words + word) * pixels + first + place) * layer->batch + b;
                            memcpy(to, run + (t * RUN + place) * IMAGES, IMAGES * sizeof *to);
                        }
                }
        free(run);
    }
}

/* dense[b][pixel][channel] = sum over steps of weights[t] where there is a spike */
void weigh(const Layer *layer, const uint32_t *spikes, const float *weights, float *dense, int64_t images, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD, pixels = layer->height * layer->width;
    const int64_t image = layer->channels * pixels;
#pragma omp parallel num_threads(threads)
    {
        uint32_t *run = calloc(layer->timesteps * RUN * IMAGES, sizeof *run); /* [step][pixel][image] */
#pragma omp for collapse(3) schedule(dynamic)
        for (int64_t word = 0; word < words; word++)
            for (int64_t first = 0; first < pixels; first += RUN)
                for (int64_t b = 0; b < layer->batch; b += IMAGES) {
                    const int64_t places = pixels - first < RUN ? pixels - first : RUN, c = word * WORD;
                    const int64_t channels = layer->channels - c < WORD ? layer->channels - c : WORD;
                    for (int64_t t = 0; t < layer->timesteps; t++)
                        for (int64_t place = 0; place < places; place++) {
                            const uint32_t *from = spikes + ((t * words + word) * pixels + first + place) * layer->batch + b;
                            memcpy(run + (t * RUN + place) * IMAGES, from, IMAGES * sizeof *run);
                        }
                    for (int64_t i = 0; i < IMAGES && b + i < images; i++)
                        for (int64_t place = 0; place < places; place++) {
                            float *to = dense + (b + i) * image + (first + place) * layer->channels + c;
                            const uint32_t *from = run + place * IMAGES + i;
#define CALL(registers) weigh_pixel(from, RUN * IMAGES, weights, layer->timesteps, to, channels, registers)
                            FOR_REGISTERS(channels, CALL)
#undef CALL
                        }
                }
        free(run);
    }
}

/* counts[t][pixel]: spikes of the first `images` images, over all channels */
void count(const Layer *layer, const uint32_t *spikes, int64_t images, int64_t *counts, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD, pixels = layer->height * layer->width;
#pragma omp parallel for num_threads(threads)
    for (int64_t place = 0; place < layer->timesteps * pixels; place++) {
        const uint32_t *from = spikes + (place / pixels * words * pixels + place % pixels) * layer->batch;
        int64_t total = 0;
        for (int64_t word = 0; word < words; word++, from += pixels * layer->batch)
            for (int64_t b = 0; b < images; b++) total += __builtin_popcount(from[b]);
        counts[place] = total;
    }
}
