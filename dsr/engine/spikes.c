/* Spiking layers on packed spikes, float32, AVX-512. Called by `packed.py`; `trains.py` says the same in torch.
 *
 * Spikes are bits: 32 channels to a word, the batch innermost, [T][ceil(channels / 32)][height][width][batch], the
 * batch padded to a multiple of 16. Dense tensors are torch's, [rows][channels][height * width].
 *
 * A convolution of binary spikes is a sum of table lookups. The spikes of 4 channels select one of 16 possible sums of
 * their 4 weights; 16 floats fill one register, so that one permute and one add do 64 multiply-accumulates for 16 images
 * at a time, exactly as float32 additions. Neurons integrate in registers: their currents never reach memory.
 */
#ifndef __AVX512F__
#error "this processor has no AVX-512"
#endif
#include <immintrin.h>
#include <stdint.h>

#define LANES 16    /* images in a register */
#define BLOCK 4     /* registers of images that are worked on together */
#define TILE 4      /* output channels that are worked on together */
#define GROUP 4     /* input channels in one lookup */
#define WORD 32     /* channels in a word */
#define LINE static inline __attribute__((always_inline))

typedef struct {
    const uint32_t *spikes; /* [T][ceil(channels / 32)][height][width][batch] */
    const float *values;    /* tables of `tabulate`; or, with kernel = 0 (identity), one value per channel */
    int64_t channels, height, width, kernel, stride, padding;
} Term;

typedef struct {
    int64_t timesteps, batch, channels, height, width; /* of the output; batch is padded to a multiple of 16 */
    float leak, gain, level, threshold;                /* u <- leak u + gain current; fires at u >= level */
} Layer;

/* the patterns of 4 spikes in which spike i is on */
static const __mmask16 SELECTED[GROUP] = {0xaaaa, 0xcccc, 0xf0f0, 0xff00};

/* table[channel / 4][tap][input group][channel % 4][16]: sums of the weights that a pattern of 4 spikes selects */
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
                    __m512 row = _mm512_setzero_ps();
                    for (int64_t i = 0; i < GROUP; i++) {
                        const int64_t in = group * GROUP + i;
                        if (o >= outputs || in >= inputs) break;
                        const __m512 w = _mm512_set1_ps(weight[(o * inputs + in) * taps + tap] * scale[o]);
                        row = _mm512_mask_add_ps(row, SELECTED[i], row, w);
                    }
                    _mm512_store_ps(table + (((tile * taps + tap) * groups + group) * TILE + c) * 16, row);
                }
}

/* registers hold images b, b + 16, ... (apart = 16) or the same images at steps t, t + 1, ... (apart = a whole step) */
LINE void convolve(const Term *term, int64_t t, int64_t batch, int64_t b, int64_t y, int64_t x, int64_t tile,
                   const int registers, const int64_t apart, __m512 sum[TILE][BLOCK])
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
            const float *table = term->values + (tile * term->kernel * term->kernel + ky * term->kernel + kx) * groups * TILE * 16;
            for (int64_t group = 0; group < groups; from += plane) {
                __m512i index[BLOCK];
                for (int r = 0; r < registers; r++) index[r] = _mm512_loadu_si512(from + r * apart);
                const int64_t last = group + WORD / GROUP < groups ? group + WORD / GROUP : groups;
                for (; group < last; group++, table += TILE * 16) {
                    for (int c = 0; c < TILE; c++) {
                        const __m512 entries = _mm512_load_ps(table + c * 16);
                        for (int r = 0; r < registers; r++)
                            sum[c][r] = _mm512_add_ps(sum[c][r], _mm512_permutexvar_ps(index[r], entries));
                    }
                    for (int r = 0; r < registers; r++) index[r] = _mm512_srli_epi32(index[r], GROUP);
                }
            }
        }
    }
}

LINE void pass(const Term *term, int64_t t, int64_t batch, int64_t b, int64_t y, int64_t x, int64_t tile,
               const int registers, const int64_t apart, __m512 sum[TILE][BLOCK])
{
    const int64_t words = (term->channels + WORD - 1) / WORD, first = tile * TILE;
    const int64_t at = (((t * words + first / WORD) * term->height + y) * term->width + x) * batch + b;
    for (int r = 0; r < registers; r++) {
        const __m512i word = _mm512_loadu_si512(term->spikes + at + r * apart);
        for (int c = 0; c < TILE; c++) {
            if (first + c >= term->channels) break;
            const __mmask16 on = _mm512_test_epi32_mask(word, _mm512_set1_epi32(1u << ((first + c) % WORD)));
            sum[c][r] = _mm512_mask_add_ps(sum[c][r], on, sum[c][r], _mm512_set1_ps(term->values[first + c]));
        }
    }
}

LINE int64_t step_size(const Term *term, int64_t batch)
{
    return (term->channels + WORD - 1) / WORD * term->height * term->width * batch;
}

/* add all terms to the registers; `over_time`: registers hold steps t, t + 1, ... instead of images b, b + 16, ... */
LINE void add_terms(const Layer *layer, const Term *terms, int64_t count, int64_t t, int64_t b, int64_t y, int64_t x,
                    int64_t tile, const int registers, const int over_time, __m512 sum[TILE][BLOCK])
{
    for (const Term *term = terms; term < terms + count; term++) {
        const int64_t apart = over_time ? step_size(term, layer->batch) : LANES;
        if (term->kernel)
            convolve(term, t, layer->batch, b, y, x, tile, registers, apart, sum);
        else
            pass(term, t, layer->batch, b, y, x, tile, registers, apart, sum);
    }
}

/* the same for a number of registers that the compiler does not know */
LINE void add_terms_to_some(const Layer *layer, const Term *terms, int64_t count, int64_t t, int64_t b, int64_t y,
                            int64_t x, int64_t tile, int64_t registers, const int over_time, __m512 sum[TILE][BLOCK])
{
    switch (registers) {
    case 1: add_terms(layer, terms, count, t, b, y, x, tile, 1, over_time, sum); break;
    case 2: add_terms(layer, terms, count, t, b, y, x, tile, 2, over_time, sum); break;
    case 3: add_terms(layer, terms, count, t, b, y, x, tile, 3, over_time, sum); break;
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
    const __m512 leak = _mm512_set1_ps(layer->leak), level = _mm512_set1_ps(layer->level);
    const __m512 threshold = _mm512_set1_ps(layer->threshold);
    for (int64_t tile = word * WORD / TILE; tile < (word + 1) * WORD / TILE; tile++) {
        if (tile * TILE >= layer->channels) break;
        __m512 membrane[TILE][BLOCK];
        for (int c = 0; c < TILE; c++)
            for (int r = 0; r < registers; r++) membrane[c][r] = _mm512_setzero_ps();
        for (int64_t t = 0; t < layer->timesteps; t++) {
            __m512 sum[TILE][BLOCK];
            for (int c = 0; c < TILE; c++)
                for (int r = 0; r < registers; r++) sum[c][r] = _mm512_set1_ps(shift[tile * TILE + c]);
            add_terms(layer, terms, count, t, b, y, x, tile, registers, 0, sum);
            for (int r = 0; r < registers; r++) {
                uint32_t *place = to + t * step + r * LANES;
                __m512i bits = tile % (WORD / TILE) ? _mm512_loadu_si512(place) : _mm512_setzero_si512();
                for (int c = 0; c < TILE; c++) {
                    __m512 u = _mm512_fmadd_ps(membrane[c][r], leak, sum[c][r]);
                    const __mmask16 on = _mm512_cmp_ps_mask(u, level, _CMP_GE_OQ);
                    membrane[c][r] = _mm512_mask_sub_ps(u, on, u, threshold);
                    bits = _mm512_mask_or_epi32(bits, on, bits, _mm512_set1_epi32(1u << ((tile * TILE + c) % WORD)));
                }
                _mm512_storeu_si512(place, bits);
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

/* rows[i] lane j -> rows[j] lane i */
LINE void transpose(__m512 rows[LANES])
{
    __m512 half[LANES];
    for (int i = 0; i < LANES; i += 4) {
        const __m512 a = _mm512_unpacklo_ps(rows[i], rows[i + 1]), b = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
        const __m512 c = _mm512_unpacklo_ps(rows[i + 2], rows[i + 3]), d = _mm512_unpackhi_ps(rows[i + 2], rows[i + 3]);
        half[i] = _mm512_shuffle_ps(a, c, 0x44), half[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        half[i + 2] = _mm512_shuffle_ps(b, d, 0x44), half[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        const __m512 a = _mm512_shuffle_f32x4(half[i], half[i + 4], 0x88), b = _mm512_shuffle_f32x4(half[i], half[i + 4], 0xdd);
        const __m512 c = _mm512_shuffle_f32x4(half[i + 8], half[i + 12], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(half[i + 8], half[i + 12], 0xdd);
        rows[i] = _mm512_shuffle_f32x4(a, c, 0x88), rows[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        rows[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), rows[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

/* write registers of images, one for each of `places` consecutive pixels, to a dense tensor */
LINE void scatter(__m512 rows[LANES], float *dense, int64_t stride, int64_t images, int64_t places)
{
    const __mmask16 mask = (__mmask16)((1u << places) - 1);
    transpose(rows);
    for (int64_t i = 0; i < LANES && i < images; i++) _mm512_mask_storeu_ps(dense + i * stride, mask, rows[i]);
}

LINE void gather(__m512 rows[LANES], const float *dense, int64_t stride, int64_t images, int64_t places)
{
    const __mmask16 mask = (__mmask16)((1u << places) - 1);
    for (int64_t i = 0; i < LANES; i++)
        rows[i] = i < images ? _mm512_maskz_loadu_ps(mask, dense + i * stride) : _mm512_setzero_ps();
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
                    __m512 places[TILE][BLOCK][LANES];
                    const int64_t first = chunk * LANES, left = pixels - first < LANES ? pixels - first : LANES;
                    const int64_t b = block * BLOCK * LANES;
                    const int64_t some = registers - block * BLOCK < BLOCK ? registers - block * BLOCK : BLOCK;
                    for (int64_t place = 0; place < left; place++) {
                        const int64_t y = (first + place) / layer->width, x = (first + place) % layer->width;
                        __m512 sum[TILE][BLOCK];
                        for (int c = 0; c < TILE; c++)
                            for (int r = 0; r < BLOCK; r++) sum[c][r] = _mm512_set1_ps(shift[tile * TILE + c]);
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
                const __mmask16 there = images - b < LANES ? (__mmask16)((1u << (images - b)) - 1) : 0xffff;
                for (int64_t x = 0; x < layer->width; x++) {
                    __m512 first[TILE], second[TILE];
                    for (int c = 0; c < TILE; c++) first[c] = second[c] = _mm512_setzero_ps();
                    for (int64_t t = 0; t < layer->timesteps; t += BLOCK) {
                        const int steps = layer->timesteps - t < BLOCK ? (int)(layer->timesteps - t) : BLOCK;
                        __m512 sum[TILE][BLOCK];
                        for (int c = 0; c < TILE; c++)
                            for (int r = 0; r < BLOCK; r++) sum[c][r] = _mm512_setzero_ps();
                        add_terms_to_some(layer, terms, count, t, b, y, x, tile, steps, 1, sum);
                        for (int r = 0; r < steps; r++) {
                            const __m512 weight = _mm512_set1_ps(weights[t + r]);
                            for (int c = 0; c < TILE; c++) {
                                const __m512 weighted = _mm512_mul_ps(weight, sum[c][r]);
                                first[c] = _mm512_add_ps(first[c], weighted);
                                second[c] = _mm512_fmadd_ps(weighted, sum[c][r], second[c]);
                            }
                        }
                    }
                    for (int c = 0; c < TILE; c++)
                        total[c] += _mm512_mask_reduce_add_ps(there, _mm512_fnmadd_ps(first[c], first[c], second[c]));
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
    const __m512 leak = _mm512_set1_ps(layer->leak), gain = _mm512_set1_ps(layer->gain);
    const __m512 level = _mm512_set1_ps(layer->level), threshold = _mm512_set1_ps(layer->threshold);
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t word = 0; word < words; word++)
        for (int64_t b = 0; b < layer->batch; b += LANES)
            for (int64_t chunk = 0; chunk < chunks; chunk++) {
                const int64_t first = chunk * LANES, left = pixels - first < LANES ? pixels - first : LANES;
                for (int64_t c = word * WORD; c < (word + 1) * WORD && c < layer->channels; c++) {
                    __m512 membrane[LANES], current[LANES];
                    const __m512 factor = _mm512_set1_ps(scale[c]), offset = _mm512_set1_ps(shift[c]);
                    const __m512i bit = _mm512_set1_epi32(1u << (c % WORD));
                    for (int i = 0; i < LANES; i++) membrane[i] = _mm512_setzero_ps();
                    for (int64_t t = 0; t < layer->timesteps; t++) {
                        if (t == 0 || !repeated)
                            gather(current, dense + (t * images + b) * image + c * pixels + first, image, images - b, left);
                        uint32_t *place = out + ((t * words + word) * pixels + first) * layer->batch + b;
                        for (int64_t i = 0; i < left; i++, place += layer->batch) {
                            __m512 u = _mm512_mul_ps(gain, _mm512_fmadd_ps(current[i], factor, offset));
                            u = _mm512_fmadd_ps(membrane[i], leak, u);
                            const __mmask16 on = _mm512_cmp_ps_mask(u, level, _CMP_GE_OQ);
                            membrane[i] = _mm512_mask_sub_ps(u, on, u, threshold);
                            const __m512i bits = c % WORD ? _mm512_loadu_si512(place) : _mm512_setzero_si512();
                            _mm512_storeu_si512(place, _mm512_mask_or_epi32(bits, on, bits, bit));
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
                    __m512 sum[LANES];
                    for (int i = 0; i < LANES; i++) sum[i] = _mm512_setzero_ps();
                    for (int64_t t = 0; t < layer->timesteps; t++) {
                        const uint32_t *place = spikes + ((t * words + word) * pixels + first) * layer->batch + b;
                        const __m512i bit = _mm512_set1_epi32(1u << (c % WORD));
                        const __m512 weight = _mm512_set1_ps(weights[t]);
                        for (int64_t i = 0; i < left; i++, place += layer->batch) {
                            const __mmask16 on = _mm512_test_epi32_mask(_mm512_loadu_si512(place), bit);
                            sum[i] = _mm512_mask_add_ps(sum[i], on, sum[i], weight);
                        }
                    }
                    scatter(sum, dense + b * image + c * pixels + first, image, images - b, left);
                }
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
