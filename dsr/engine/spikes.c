/* Spiking layers on packed spikes, float32, AVX-512 or AVX2. Called by `packed.py`; `trains.py` does the same in torch.
 *
 * Spikes are bits: 32 channels to a word, the batch innermost, [T][ceil(channels / 32)][height][width][batch], the
 * batch padded to a multiple of 16. Dense tensors are torch's in channels_last, [rows][height * width][channels].
 *
 * A convolution of binary spikes is a sum of table lookups. The spikes of 4 channels select one of 16 possible sums of
 * their 4 weights: with AVX-512 one permute and one add do 64 multiply-accumulates for 16 images at a time, with AVX2
 * two of each do 32 for 8, exactly as float32 additions. Neurons integrate in registers: their currents never reach
 * memory.
 */
#include "dense.h"

#define WORD 32   /* channels in a word */
#define IMAGES 16 /* images whose spikes fill a cache line; the batch is a multiple of it */
#define NEAR 4    /* consecutive pixels whose currents are computed together */
#define RUN 16    /* consecutive pixels whose neurons are simulated together */

typedef struct {
    const uint32_t *spikes; /* [T][ceil(channels / 32)][height][width][batch] */
    const float *values;    /* tables of `tabulate`; or, with kernel = 0 (identity), one value per channel */
    int64_t channels, height, width, kernel, stride, padding;
} Term;

typedef struct {
    int64_t timesteps, batch, channels, height, width; /* of the output; batch is padded to a multiple of 16 */
    float leak, gain, level, threshold;                /* u <- leak u + gain current; fires at u >= level */
} Layer;

/* the floats of a table for one group of input channels and one output channel, which the caller allocates */
int64_t entries(void) { return ENTRIES; }

/* table[channel / 4][tap][input group][channel % 4][ENTRIES]: sums of the weights that a pattern of 4 spikes selects;
 * weight[output][tap][input] */
void tabulate(const float *weight, const float *scale, int64_t outputs, int64_t inputs, int64_t taps, float *table,
              int64_t threads)
{
    const int64_t groups = (inputs + GROUP - 1) / GROUP, tiles = (outputs + TILE - 1) / TILE;
#pragma omp parallel for num_threads(threads)
    for (int64_t tile = 0; tile < tiles; tile++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t group = 0; group < groups; group++)
                for (int64_t c = 0; c < TILE; c++) {
                    const int64_t o = tile * TILE + c;
                    float some[GROUP] = {0};
                    for (int64_t i = 0; i < GROUP; i++) {
                        const int64_t in = group * GROUP + i;
                        if (o >= outputs || in >= inputs) break;
                        some[i] = weight[(o * taps + tap) * inputs + in] * scale[o];
                    }
                    tabulate_group(some, table + (((tile * taps + tap) * groups + group) * TILE + c) * ENTRIES);
                }
}

/* registers hold images b, b + LANES, ... (apart = LANES) or the same images at steps t, t + 1, ... (apart = a whole step) */
LINE void convolve(const Term *term, int64_t t, int64_t batch, int64_t b, int64_t y, int64_t x, int64_t tile,
                   const int registers, const int64_t apart, Floats sum[TILE][BLOCK])
{
    const int64_t words = (term->channels + WORD - 1) / WORD, groups = (term->channels + GROUP - 1) / GROUP;
    const int64_t plane = term->height * term->width * batch;
    for (int64_t ky = 0; ky < term->kernel; ky++) {
        const int64_t row = y * term->stride - term->padding + ky;
        if (row < 0 || row >= term->height) continue;
        for (int64_t kx = 0; kx < term->kernel; kx++) {
            const int64_t column = x * term->stride - term->padding + kx;
            if (column < 0 || column >= term->width) continue;
            const uint32_t *from = term->spikes + t * words * plane + (row * term->width + column) * batch + b;
            const float *table = term->values + (tile * term->kernel * term->kernel + ky * term->kernel + kx) * groups * TILE * ENTRIES;
            for (int64_t group = 0; group < groups; from += plane) {
                Words index[BLOCK];
                for (int r = 0; r < registers; r++) index[r] = load_words(from + r * apart);
                const int64_t last = group + WORD / GROUP < groups ? group + WORD / GROUP : groups;
                for (; group < last; group++, table += TILE * ENTRIES) look_up(index, table, registers, sum);
            }
        }
    }
}

LINE void pass(const Term *term, int64_t t, int64_t batch, int64_t b, int64_t y, int64_t x, int64_t tile,
               const int registers, const int64_t apart, Floats sum[TILE][BLOCK])
{
    const int64_t words = (term->channels + WORD - 1) / WORD, first = tile * TILE;
    const int64_t at = (((t * words + first / WORD) * term->height + y) * term->width + x) * batch + b;
    for (int r = 0; r < registers; r++) {
        const Words word = load_words(term->spikes + at + r * apart);
        for (int c = 0; c < TILE; c++) {
            if (first + c >= term->channels) break;
            const Mask on = has_bit(word, all_words(1u << ((first + c) % WORD)));
            sum[c][r] = plus_where(on, sum[c][r], all(term->values[first + c]));
        }
    }
}

LINE int64_t step_size(const Term *term, int64_t batch)
{
    return (term->channels + WORD - 1) / WORD * term->height * term->width * batch;
}

/* add all terms to the registers; `over_time`: registers hold steps t, t + 1, ... instead of images b, b + LANES, ... */
LINE void add_terms(const Layer *layer, const Term *terms, int64_t count, int64_t t, int64_t b, int64_t y, int64_t x,
                    int64_t tile, const int registers, const int over_time, Floats sum[TILE][BLOCK])
{
    for (const Term *term = terms; term < terms + count; term++) {
        const int64_t apart = over_time ? step_size(term, layer->batch) : LANES;
        if (term->kernel)
            convolve(term, t, layer->batch, b, y, x, tile, registers, apart, sum);
        else
            pass(term, t, layer->batch, b, y, x, tile, registers, apart, sum);
    }
}

/* the same for a number of registers not known at compile time */
LINE void add_terms_to_some(const Layer *layer, const Term *terms, int64_t count, int64_t t, int64_t b, int64_t y,
                            int64_t x, int64_t tile, int64_t registers, const int over_time, Floats sum[TILE][BLOCK])
{
    switch (registers) {
    case 1: add_terms(layer, terms, count, t, b, y, x, tile, 1, over_time, sum); break;
#if BLOCK > 2
    case 2: add_terms(layer, terms, count, t, b, y, x, tile, 2, over_time, sum); break;
    case 3: add_terms(layer, terms, count, t, b, y, x, tile, 3, over_time, sum); break;
#endif
    default: add_terms(layer, terms, count, t, b, y, x, tile, BLOCK, over_time, sum);
    }
}

/* all steps of 32 channels at one place for `registers` registers of images */
LINE void fire_word(const Layer *layer, const Term *terms, int64_t count, const float *shift, uint32_t *out, int64_t b,
                    int64_t word, int64_t y, int64_t x, const int registers)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD;
    const int64_t step = words * layer->height * layer->width * layer->batch;
    uint32_t *to = out + ((word * layer->height + y) * layer->width + x) * layer->batch + b;
    const Floats leak = all(layer->leak), level = all(layer->level);
    const Floats threshold = all(layer->threshold);
    for (int64_t tile = word * WORD / TILE; tile < (word + 1) * WORD / TILE; tile++) {
        if (tile * TILE >= layer->channels) break;
        Floats membrane[TILE][BLOCK];
        for (int c = 0; c < TILE; c++)
            for (int r = 0; r < registers; r++) membrane[c][r] = all(0);
        for (int64_t t = 0; t < layer->timesteps; t++) {
            Floats sum[TILE][BLOCK];
            for (int c = 0; c < TILE; c++)
                for (int r = 0; r < registers; r++) sum[c][r] = all(shift[tile * TILE + c]);
            add_terms(layer, terms, count, t, b, y, x, tile, registers, 0, sum);
            for (int r = 0; r < registers; r++) {
                uint32_t *place = to + t * step + r * LANES;
                Words bits = tile % (WORD / TILE) ? load_words(place) : all_words(0);
                for (int c = 0; c < TILE; c++) {
                    Floats u = times_plus(membrane[c][r], leak, sum[c][r]);
                    const Mask on = at_least(u, level);
                    membrane[c][r] = minus_where(on, u, threshold);
                    bits = or_where(on, bits, all_words(1u << ((tile * TILE + c) % WORD)));
                }
                store_words(place, bits);
            }
        }
    }
}

/* a neuron layer whose current is an affine function of spike trains: shift[channel] + sum of terms */
void fire(const Layer *layer, const Term *terms, int64_t count, const float *shift, uint32_t *out, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD;
    const int64_t blocks = (layer->batch + BLOCK * LANES - 1) / (BLOCK * LANES);
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t word = 0; word < words; word++)
        for (int64_t block = 0; block < blocks; block++)
            for (int64_t y = 0; y < layer->height; y++)
                for (int64_t x = 0; x < layer->width; x++) {
                    int64_t b = block * BLOCK * LANES, left = (layer->batch - b) / LANES;
                    if (left >= BLOCK) {
                        fire_word(layer, terms, count, shift, out, b, word, y, x, BLOCK);
                        continue;
                    }
                    for (; left >= 2; left -= 2, b += 2 * LANES) fire_word(layer, terms, count, shift, out, b, word, y, x, 2);
                    if (left) fire_word(layer, terms, count, shift, out, b, word, y, x, 1);
                }
}

/* write registers of images, one for each of LANES channels, to `dense`; the next image's currents are `image` further */
LINE void scatter(Floats rows[LANES], float *dense, int64_t image, int64_t images, int64_t channels)
{
    const Mask some = first_lanes(channels);
    for (int64_t i = 0; i < LANES && i < images; i++) store_where(some, dense + i * image, rows[i]);
}

/* dense[t * images + b][pixel][channel] = shift[channel] + sum of terms; whole cache lines are written */
void currents(const Layer *layer, const Term *terms, int64_t count, const float *shift, float *dense, int64_t images,
              int64_t threads)
{
    const int64_t channels = layer->channels, pixels = layer->height * layer->width, image = channels * pixels;
    const int64_t chunks = (pixels + NEAR - 1) / NEAR, registers = layer->batch / LANES;
    const int64_t blocks = (registers + BLOCK - 1) / BLOCK;
#pragma omp parallel for collapse(4) schedule(dynamic) num_threads(threads)
    for (int64_t c = 0; c < channels; c += LANES)
        for (int64_t t = 0; t < layer->timesteps; t++)
            for (int64_t block = 0; block < blocks; block++)
                for (int64_t chunk = 0; chunk < chunks; chunk++) {
                    Floats places[NEAR][BLOCK][LANES];
                    const int64_t first = chunk * NEAR, near = pixels - first < NEAR ? pixels - first : NEAR;
                    const int64_t b = block * BLOCK * LANES;
                    const int64_t some = registers - block * BLOCK < BLOCK ? registers - block * BLOCK : BLOCK;
                    for (int64_t tile = c / TILE; tile < (c + LANES) / TILE; tile++)
                        for (int64_t place = 0; place < near; place++) {
                            const int64_t y = (first + place) / layer->width, x = (first + place) % layer->width;
                            Floats sum[TILE][BLOCK];
                            for (int i = 0; i < TILE; i++)
                                for (int r = 0; r < BLOCK; r++)
                                    sum[i][r] = all(tile * TILE < channels ? shift[tile * TILE + i] : 0);
                            if (tile * TILE < channels) add_terms_to_some(layer, terms, count, t, b, y, x, tile, some, 0, sum);
                            for (int i = 0; i < TILE; i++)
                                for (int r = 0; r < some; r++) places[place][r][tile * TILE - c + i] = sum[i][r];
                        }
                    for (int64_t place = 0; place < near; place++)
                        for (int64_t r = 0; r < some; r++) transpose(places[place][r]);
                    for (int64_t r = 0; r < some; r++)
                        for (int64_t place = 0; place < near; place++) {
                            float *to = dense + (t * images + b + r * LANES) * image + (first + place) * channels + c;
                            scatter(places[place][r], to, image, images - b - r * LANES, channels - c);
                        }
                }
}

/* sum over the first `images` images and the pixels of every `skip`-th row, from row skip / 2 on, of the variance over
 * time, sum_t weights[t] (x_t - mean)^2; partial[tile][row][4 channels] */
void time_variance(const Layer *layer, const Term *terms, int64_t count, const float *weights, int64_t images,
                   int64_t skip, double *partial, int64_t threads)
{
    const int64_t tiles = (layer->channels + TILE - 1) / TILE, rows = (layer->height - skip / 2 + skip - 1) / skip;
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t tile = 0; tile < tiles; tile++)
        for (int64_t row = 0; row < rows; row++) {
            const int64_t y = skip / 2 + row * skip;
            double total[TILE] = {0};
            for (int64_t b = 0; b < images; b += LANES) {
                const Mask there = first_lanes(images - b);
                for (int64_t x = 0; x < layer->width; x++) {
                    Floats first[TILE], second[TILE];
                    for (int c = 0; c < TILE; c++) first[c] = second[c] = all(0);
                    for (int64_t t = 0; t < layer->timesteps; t += BLOCK) {
                        const int steps = layer->timesteps - t < BLOCK ? (int)(layer->timesteps - t) : BLOCK;
                        Floats sum[TILE][BLOCK];
                        for (int c = 0; c < TILE; c++)
                            for (int r = 0; r < BLOCK; r++) sum[c][r] = all(0);
                        add_terms_to_some(layer, terms, count, t, b, y, x, tile, steps, 1, sum);
                        for (int r = 0; r < steps; r++) {
                            const Floats weight = all(weights[t + r]);
                            for (int c = 0; c < TILE; c++) {
                                const Floats weighted = times(weight, sum[c][r]);
                                first[c] = plus(first[c], weighted);
                                second[c] = times_plus(weighted, sum[c][r], second[c]);
                            }
                        }
                    }
                    for (int c = 0; c < TILE; c++)
                        total[c] += sum_where(there, minus_product(first[c], first[c], second[c]));
                }
            }
            for (int c = 0; c < TILE; c++) partial[(tile * rows + row) * TILE + c] = total[c];
        }
}

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
