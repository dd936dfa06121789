/* Spiking layers on packed spikes, float32, AVX-512 or AVX2. Called by `packed.py`; `trains.py` does the same in torch.
 *
 * Spikes are bits: 32 channels to a word, the batch innermost, [T][ceil(channels / 32)][height][width][batch], the
 * batch padded to a multiple of 16. Dense tensors are torch's, [rows][channels][height * width].
 *
 * A convolution of binary spikes is a sum of table lookups. The spikes of 4 channels select one of 16 possible sums of
 * their 4 weights: with AVX-512 one permute and one add do 64 multiply-accumulates for 16 images at a time, with AVX2
 * two of each do 32 for 8, exactly as float32 additions. Neurons integrate in registers: their currents never reach
 * memory.
 */
#include "lanes.h"

#define WORD 32 /* channels in a word */

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

/* table[channel / 4][tap][input group][channel % 4][ENTRIES]: sums of the weights that a pattern of 4 spikes selects */
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
                        some[i] = weight[(o * inputs + in) * taps + tap] * scale[o];
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

/* write registers of images, one for each of `places` consecutive pixels, to a dense tensor */
LINE void scatter(Floats rows[LANES], float *dense, int64_t stride, int64_t images, int64_t places)
{
    const Mask some = first_lanes(places);
    transpose(rows);
    for (int64_t i = 0; i < LANES && i < images; i++) store_where(some, dense + i * stride, rows[i]);
}

LINE void gather(Floats rows[LANES], const float *dense, int64_t stride, int64_t images, int64_t places)
{
    const Mask some = first_lanes(places);
    for (int64_t i = 0; i < LANES; i++)
        rows[i] = i < images ? load_where(some, dense + i * stride) : all(0);
    transpose(rows);
}

/* dense[t * images + b][channel][pixel] = shift[channel] + sum of terms */
void currents(const Layer *layer, const Term *terms, int64_t count, const float *shift, float *dense, int64_t images,
              int64_t threads)
{
    const int64_t tiles = (layer->channels + TILE - 1) / TILE, pixels = layer->height * layer->width;
    const int64_t chunks = (pixels + LANES - 1) / LANES, registers = layer->batch / LANES;
    const int64_t blocks = (registers + BLOCK - 1) / BLOCK, image = layer->channels * pixels;
#pragma omp parallel for collapse(4) schedule(dynamic) num_threads(threads)
    for (int64_t tile = 0; tile < tiles; tile++)
        for (int64_t t = 0; t < layer->timesteps; t++)
            for (int64_t block = 0; block < blocks; block++)
                for (int64_t chunk = 0; chunk < chunks; chunk++) {
                    Floats places[TILE][BLOCK][LANES];
                    const int64_t first = chunk * LANES, left = pixels - first < LANES ? pixels - first : LANES;
                    const int64_t b = block * BLOCK * LANES;
                    const int64_t some = registers - block * BLOCK < BLOCK ? registers - block * BLOCK : BLOCK;
                    for (int64_t place = 0; place < left; place++) {
                        const int64_t y = (first + place) / layer->width, x = (first + place) % layer->width;
                        Floats sum[TILE][BLOCK];
                        for (int c = 0; c < TILE; c++)
                            for (int r = 0; r < BLOCK; r++) sum[c][r] = all(shift[tile * TILE + c]);
                        add_terms_to_some(layer, terms, count, t, b, y, x, tile, some, 0, sum);
                        for (int c = 0; c < TILE; c++)
                            for (int r = 0; r < some; r++) places[c][r][place] = sum[c][r];
                    }
                    for (int64_t c = 0; c < TILE && tile * TILE + c < layer->channels; c++)
                        for (int64_t r = 0; r < some; r++) {
                            const int64_t from = b + r * LANES;
                            float *to = dense + (t * images + from) * image + (tile * TILE + c) * pixels + first;
                            scatter(places[c][r], to, image, images - from, left);
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

/* a neuron layer on dense currents scale[channel] * current + shift[channel]; `repeated`: the same at every step */
void fire_dense(const Layer *layer, const float *dense, const float *scale, const float *shift, uint32_t *out,
                int64_t images, int64_t repeated, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD, pixels = layer->height * layer->width;
    const int64_t chunks = (pixels + LANES - 1) / LANES, image = layer->channels * pixels;
    const Floats leak = all(layer->leak), gain = all(layer->gain);
    const Floats level = all(layer->level), threshold = all(layer->threshold);
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t word = 0; word < words; word++)
        for (int64_t b = 0; b < layer->batch; b += LANES)
            for (int64_t chunk = 0; chunk < chunks; chunk++) {
                const int64_t first = chunk * LANES, left = pixels - first < LANES ? pixels - first : LANES;
                for (int64_t c = word * WORD; c < (word + 1) * WORD && c < layer->channels; c++) {
                    Floats membrane[LANES], current[LANES];
                    const Floats factor = all(scale[c]), offset = all(shift[c]);
                    const Words bit = all_words(1u << (c % WORD));
                    for (int i = 0; i < LANES; i++) membrane[i] = all(0);
                    for (int64_t t = 0; t < layer->timesteps; t++) {
                        if (t == 0 || !repeated)
                            gather(current, dense + (t * images + b) * image + c * pixels + first, image, images - b, left);
                        uint32_t *place = out + ((t * words + word) * pixels + first) * layer->batch + b;
                        for (int64_t i = 0; i < left; i++, place += layer->batch) {
                            Floats u = times(gain, times_plus(current[i], factor, offset));
                            u = times_plus(membrane[i], leak, u);
                            const Mask on = at_least(u, level);
                            membrane[i] = minus_where(on, u, threshold);
                            const Words bits = c % WORD ? load_words(place) : all_words(0);
                            store_words(place, or_where(on, bits, bit));
                        }
                    }
                }
            }
}

/* dense[b][channel][pixel] = sum over steps of weights[t] where there is a spike */
void weigh(const Layer *layer, const uint32_t *spikes, const float *weights, float *dense, int64_t images, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD, pixels = layer->height * layer->width;
    const int64_t chunks = (pixels + LANES - 1) / LANES, image = layer->channels * pixels;
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t word = 0; word < words; word++)
        for (int64_t b = 0; b < layer->batch; b += LANES)
            for (int64_t chunk = 0; chunk < chunks; chunk++) {
                const int64_t first = chunk * LANES, left = pixels - first < LANES ? pixels - first : LANES;
                for (int64_t c = word * WORD; c < (word + 1) * WORD && c < layer->channels; c++) {
                    Floats sum[LANES];
                    for (int i = 0; i < LANES; i++) sum[i] = all(0);
                    for (int64_t t = 0; t < layer->timesteps; t++) {
                        const uint32_t *place = spikes + ((t * words + word) * pixels + first) * layer->batch + b;
                        const Words bit = all_words(1u << (c % WORD));
                        const Floats weight = all(weights[t]);
                        for (int64_t i = 0; i < left; i++, place += layer->batch) {
                            const Mask on = has_bit(load_words(place), bit);
                            sum[i] = plus_where(on, sum[i], weight);
                        }
                    }
                    scatter(sum, dense + b * image + c * pixels + first, image, images - b, left);
                }
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

/* mean and biased variance per channel over rows and pixels; sums are centred on each channel's first value */
void moments(const float *dense, int64_t rows, int64_t channels, int64_t pixels, float *mean, float *variance, int64_t threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t c = 0; c < channels; c++) {
        const float centre = dense[c * pixels];
        double total = 0, squares = 0;
        for (int64_t row = 0; row < rows; row++) {
            const float *x = dense + (row * channels + c) * pixels;
            float sum = 0, square = 0;
#pragma omp simd reduction(+ : sum, square)
            for (int64_t i = 0; i < pixels; i++) {
                const float d = x[i] - centre;
                sum += d, square += d * d;
            }
            total += sum, squares += square;
        }
        const double count = (double)rows * pixels, average = total / count;
        mean[c] = (float)(centre + average), variance[c] = (float)(squares / count - average * average);
    }
}

/* state[b][channel][pixel] of the clamp at m = sum_t weights[t] (scale x_t + shift): 0 below, 1 open, 2 above */
void clamp_state(const float *dense, int64_t timesteps, int64_t images, int64_t channels, int64_t pixels,
                 const float *weights, const float *scale, const float *shift, float ceiling, int64_t closed,
                 uint8_t *state, int64_t threads)
{
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int64_t b = 0; b < images; b++)
        for (int64_t c = 0; c < channels; c++) {
            uint8_t *to = state + (b * channels + c) * pixels;
            for (int64_t first = 0; first < pixels; first += LANES) {
                const int64_t left = pixels - first < LANES ? pixels - first : LANES;
                float mean[LANES] = {0};
                for (int64_t t = 0; t < timesteps; t++) {
                    const float *x = dense + ((t * images + b) * channels + c) * pixels + first;
                    const float weight = weights[t];
#pragma omp simd
                    for (int64_t i = 0; i < left; i++) mean[i] += weight * x[i];
                }
#pragma omp simd
                for (int64_t i = 0; i < left; i++) {
                    const float m = mean[i] * scale[c] + shift[c];
                    to[first + i] = closed ? (m >= 0) + (m > ceiling) : (m > 0 && m < ceiling) + 2 * (m > ceiling);
                }
            }
        }
}

/* gradient of the clamp: open * grad * factor; returns the sum of grad where the clamp is saturated */
double clamp_backward(const float *grad, const uint8_t *state, int64_t count, float factor, float *out, int64_t threads)
{
    double saturated = 0;
#pragma omp parallel for reduction(+ : saturated) num_threads(threads)
    for (int64_t chunk = 0; chunk < (count + 4095) / 4096; chunk++) {
        const int64_t last = chunk * 4096 + 4096 < count ? chunk * 4096 + 4096 : count;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = chunk * 4096; i < last; i++) {
            out[i] = state[i] == 1 ? grad[i] * factor : 0.0f;
            sum += state[i] == 2 ? grad[i] : 0.0f;
        }
        saturated += sum;
    }
    return saturated;
}

/* batch norm backward for a gradient grad[b] that is the same at every step, currents dense[t * images + b] */
void norm_backward(const float *grad, const float *dense, int64_t timesteps, int64_t images, int64_t channels,
                   int64_t pixels, const float *mean, const float *invstd, const float *weight, float *out,
                   float *grad_weight, float *grad_bias, int64_t threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t c = 0; c < channels; c++) {
        double total = 0, product = 0;
        for (int64_t row = 0; row < timesteps * images; row++) {
            const float *x = dense + (row * channels + c) * pixels, *g = grad + (row % images * channels + c) * pixels;
            float sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
            for (int64_t i = 0; i < pixels; i++) sum += g[i], dot += g[i] * (x[i] - mean[c]);
            total += sum, product += dot;
        }
        grad_bias[c] = (float)total, grad_weight[c] = (float)(product * invstd[c]);
        const double count = (double)timesteps * images * pixels;
        const float factor = weight[c] * invstd[c], offset = (float)(total / count);
        const float slope = (float)(product * invstd[c] * invstd[c] / count);
        for (int64_t row = 0; row < timesteps * images; row++) {
            const float *x = dense + (row * channels + c) * pixels, *g = grad + (row % images * channels + c) * pixels;
            float *to = out + (row * channels + c) * pixels;
#pragma omp simd
            for (int64_t i = 0; i < pixels; i++) to[i] = factor * (g[i] - offset - (x[i] - mean[c]) * slope);
        }
    }
}

/* out[b] = sum_t weights[t] dense[t * images + b] */
void sum_over_time(const float *dense, int64_t timesteps, int64_t count, const float *weights, float *out, int64_t threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t chunk = 0; chunk < (count + 2047) / 2048; chunk++) {
        const int64_t first = chunk * 2048, last = first + 2048 < count ? first + 2048 : count;
        for (int64_t t = 0; t < timesteps; t++) {
            const float weight = weights[t], *x = dense + t * count;
#pragma omp simd
            for (int64_t i = first; i < last; i++) out[i] = (t ? out[i] : 0.0f) + weight * x[i];
        }
    }
}
