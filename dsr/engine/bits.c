/* Gradients of a convolution's weights for binary inputs, float32; called by `bits.py`.
 *
 * Spikes are bits: [rows][height][width][words] with 16 channels to a word. Gradients are [rows][height][width][channels].
 * The gradient adds, for every spike and every tap, a row of the output's gradient to the weights of the spike's
 * channel: work is proportional to the number of spikes. 9 taps of 32 output channels accumulate in registers
 * (AVX2: 3 taps), from a copy of the gradient that has a border of zeros and fits the first cache.
 */
#include "../nearest.h"
#include "lanes.h"
#include <stdlib.h>
#include <string.h>

#define WORD 16
#define CHUNK 64 /* pixels whose spikes of one channel make a mask */
#define SCRATCH (24 * 1024 / 4)

#ifdef __AVX512F__
#define ROWS_AT_ONCE 3 /* of a 3 x 3 kernel's taps */
#else
#define ROWS_AT_ONCE 1
#endif

typedef struct {
    int64_t rows, height, width, inputs, outputs, kernel, padding; /* stride 1; height and width of the input */
} Shape;

/* what is worked on at once: `images` whole images, or `height` rows of one, from row `first` of image `image` on */
typedef struct {
    int64_t image, images, first, height;
} Block;

/* the nearest bfloat16, as a float */
LINE float nearest(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = nearest_bits(bits);
    memcpy(&x, &bits, 4);
    return x;
}

/* masks[channel][chunk]: the pixels of the block at which a channel spikes */
static void transpose_bits(const Shape *of, const uint16_t *bits, int64_t pixels, int64_t chunks, uint64_t *masks)
{
    const int64_t words = (of->inputs + WORD - 1) / WORD;
    for (int64_t word = 0; word < words; word++)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            uint16_t column[CHUNK] = {0};
            for (int64_t i = 0; i < CHUNK && chunk * CHUNK + i < pixels; i++)
                column[i] = bits[(chunk * CHUNK + i) * words + word];
            uint64_t *to = masks + word * WORD * chunks + chunk;
#ifdef __AVX512BW__
            const __m512i low = _mm512_loadu_si512(column), high = _mm512_loadu_si512(column + CHUNK / 2);
            for (int c = 0; c < WORD; c++) {
                const __m512i bit = _mm512_set1_epi16((short)(1 << c));
                to[c * chunks] = _mm512_test_epi16_mask(low, bit) | (uint64_t)_mm512_test_epi16_mask(high, bit) << 32;
            }
#else
            uint64_t found[WORD] = {0};
            for (int i = 0; i < CHUNK; i++)
                for (uint32_t left = column[i]; left; left &= left - 1) found[__builtin_ctz(left)] |= (uint64_t)1 << i;
            for (int c = 0; c < WORD; c++) to[c * chunks] = found[c];
#endif
        }
}

/* copy `many` channels of the block's part of the gradient, from channel `from` on, with a border of zeros */
LINE void copy_gradient(const Shape *of, const Block *block, const float *grad, int64_t from, const int64_t many,
                        const int64_t tile, const int round, float *scratch)
{
    const int64_t border = of->kernel - 1 - of->padding, pitch = of->width + of->kernel - 1;
    const int64_t height = of->height - of->kernel + 1 + 2 * of->padding, width = of->width - of->kernel + 1 + 2 * of->padding;
    const int64_t lines = block->height + of->kernel - 1;
    memset(scratch, 0, block->images * lines * pitch * tile * sizeof(float));
    for (int64_t image = 0; image < block->images; image++)
        for (int64_t line = 0; line < lines; line++) {
            const int64_t y = block->first + line - border;
            if (y < 0 || y >= height) continue;
            const float *x = grad + (((block->image + image) * height + y) * width) * of->outputs + from;
            float *to = scratch + ((image * lines + line) * pitch + border) * tile;
            for (int64_t place = 0; place < width; place++, x += of->outputs, to += tile)
                for (int64_t c = 0; c < many; c++) to[c] = round ? nearest(x[c]) : x[c];
        }
}

/* the same, with constants where they are the usual ones */
static void copy_some(const Shape *of, const Block *block, const float *grad, int64_t from, int64_t many, int64_t tile,
                      int round, float *scratch)
{
    if (many == WORD && tile == WORD)
        round ? copy_gradient(of, block, grad, from, WORD, WORD, 1, scratch)
              : copy_gradient(of, block, grad, from, WORD, WORD, 0, scratch);
    else if (many == 2 * WORD)
        round ? copy_gradient(of, block, grad, from, 2 * WORD, 2 * WORD, 1, scratch)
              : copy_gradient(of, block, grad, from, 2 * WORD, 2 * WORD, 0, scratch);
    else
        copy_gradient(of, block, grad, from, many, tile, round, scratch);
}

/* all spikes of one channel in the block, for `rows` rows of the kernel and `registers` registers of output channels */
LINE void add_spikes(const uint64_t *masks, int64_t chunks, const int32_t *offsets, const float *scratch, int64_t pitch,
                     const int kernel, const int rows, const int registers, float *sums, int64_t apart)
{
    Floats sum[9][4];
    for (int i = 0; i < rows * kernel; i++)
        for (int r = 0; r < registers; r++) sum[i][r] = all(0);
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        for (uint64_t left = masks[chunk]; left; left &= left - 1) {
            const float *at = scratch + offsets[chunk * CHUNK + __builtin_ctzll(left)];
            for (int y = 0; y < rows; y++)
                for (int x = 0; x < kernel; x++)
                    for (int r = 0; r < registers; r++)
                        sum[y * kernel + x][r] = plus(sum[y * kernel + x][r], load(at - y * pitch - x * registers * LANES + r * LANES));
        }
    for (int i = 0; i < rows * kernel; i++)
        for (int r = 0; r < registers; r++) {
            float *to = sums + i * apart + r * LANES;
            store(to, plus(load(to), sum[i][r]));
        }
}

LINE void add_channels(const Shape *of, const Block *block, const uint64_t *masks, int64_t chunks, const int32_t *offsets,
                       const float *scratch, const int registers, int64_t from, int64_t padded, float *sums)
{
    const int64_t pitch = (of->width + of->kernel - 1) * registers * LANES, taps = of->kernel * of->kernel;
    for (int64_t c = 0; c < of->inputs; c++) {
        const uint64_t *own = masks + c * chunks;
        float *to = sums + c * taps * padded + from;
        if (of->kernel == 1) {
            add_spikes(own, chunks, offsets, scratch, pitch, 1, 1, registers, to, padded);
            continue;
        }
        for (int64_t ky = 0; ky < 3; ky += ROWS_AT_ONCE)
            add_spikes(own, chunks, offsets, scratch - ky * pitch, pitch, 3, ROWS_AT_ONCE, registers, to + ky * 3 * padded, padded);
    }
}

/* the offset of each of the block's pixels in the copy, at the first tap */
static void place_pixels(const Shape *of, const Block *block, int64_t tile, int32_t *offsets)
{
    const int64_t pitch = of->width + of->kernel - 1, lines = block->height + of->kernel - 1;
    for (int64_t image = 0; image < block->images; image++)
        for (int64_t y = 0; y < block->height; y++)
            for (int64_t x = 0; x < of->width; x++)
                *offsets++ = (int32_t)(((image * lines + y + of->kernel - 1) * pitch + x + of->kernel - 1) * tile);
}

static void add_block(const Shape *of, const Block *block, const uint16_t *bits, const float *grad, int round, float *scratch,
                      uint64_t *masks, int32_t *offsets, float *sums)
{
    const int64_t words = (of->inputs + WORD - 1) / WORD, padded = (of->outputs + WORD - 1) / WORD * WORD;
    const int64_t pixels = block->images * block->height * of->width, chunks = (pixels + CHUNK - 1) / CHUNK;
    const int64_t at = (block->image * of->height + block->first) * of->width;
    transpose_bits(of, bits + at * words, pixels, chunks, masks);
    for (int64_t from = 0; from < padded; from += 2 * WORD) {
        const int64_t tile = padded - from < 2 * WORD ? WORD : 2 * WORD;
        const int64_t many = of->outputs - from < tile ? of->outputs - from : tile;
        place_pixels(of, block, tile, offsets);
        copy_some(of, block, grad, from, many, tile, round, scratch);
        if (tile == WORD)
            add_channels(of, block, masks, chunks, offsets, scratch, WORD / LANES, from, padded, sums);
        else
            add_channels(of, block, masks, chunks, offsets, scratch, 2 * WORD / LANES, from, padded, sums);
    }
}

/* rows of an image, or images, that are worked on at once, so that their gradient fits the first cache */
static Block block_at(const Shape *of, int64_t number, int64_t *blocks)
{
    const int64_t tile = of->outputs > WORD ? 2 * WORD : WORD, border = of->kernel - 1;
    const int64_t line = (of->width + border) * tile;
    int64_t height = SCRATCH / line - border;
    if (height < of->height) {
        height = height < 1 ? 1 : height;
        const int64_t strips = (of->height + height - 1) / height, even = (of->height + strips - 1) / strips;
        *blocks = of->rows * strips;
        const int64_t first = number % strips * even;
        return (Block){number / strips, 1, first, first + even < of->height ? even : of->height - first};
    }
    int64_t images = SCRATCH / (line * (of->height + border));
    images = images < of->rows ? images : of->rows;
    *blocks = (of->rows + images - 1) / images;
    const int64_t image = number * images;
    return (Block){image, image + images < of->rows ? images : of->rows - image, 0, of->height};
}

/* sums[thread][input channel][tap][output channels padded to 16] of the first thread: the weights' gradient.
 * kernel is 1 or 3, the stride 1, padding at most kernel - 1. Returns 0, or 1 if memory is short. */
int64_t weight_gradient(const Shape *of, const uint16_t *bits, const float *grad, int64_t round, float *sums, int64_t threads)
{
    const int64_t padded = (of->outputs + WORD - 1) / WORD * WORD, size = of->inputs * of->kernel * of->kernel * padded;
    int64_t blocks, failed = 0;
    const Block largest = block_at(of, 0, &blocks);
    const int64_t pixels = largest.images * largest.height * of->width, chunks = (pixels + CHUNK - 1) / CHUNK;
    const int64_t channels = (of->inputs + WORD - 1) / WORD * WORD;
    const int64_t copied = largest.images * (largest.height + of->kernel - 1) * (of->width + of->kernel - 1) * 2 * WORD;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(| : failed)
    for (int64_t thread = 0; thread < threads; thread++) {
        float *scratch = aligned_alloc(64, (copied * sizeof(float) + 63) / 64 * 64);
        uint64_t *masks = malloc(channels * chunks * sizeof(uint64_t));
        int32_t *offsets = malloc(chunks * CHUNK * sizeof(int32_t));
        float *own = sums + thread * size;
        memset(own, 0, size * sizeof(float));
        failed |= !scratch || !masks || !offsets;
        for (int64_t number = blocks * thread / threads; !failed && number < blocks * (thread + 1) / threads; number++) {
            int64_t ignored;
            const Block block = block_at(of, number, &ignored);
            if (block.height > 0) add_block(of, &block, bits, grad, (int)round, scratch, masks, offsets, own);
        }
        free(scratch), free(masks), free(offsets);
    }
    for (int64_t thread = 1; thread < threads; thread++)
        for (int64_t i = 0; i < size; i++) sums[i] += sums[thread * size + i];
    return failed;
}

/* bits of a dense tensor [places][channels]: set where a value is not zero */
void pack(const float *dense, int64_t places, int64_t channels, uint16_t *bits, int64_t threads)
{
    const int64_t words = (channels + WORD - 1) / WORD;
#pragma omp parallel for num_threads(threads)
    for (int64_t place = 0; place < places; place++)
        for (int64_t word = 0; word < words; word++) {
            const float *x = dense + place * channels + word * WORD;
            uint32_t found = 0;
            for (int64_t c = 0; c < WORD && word * WORD + c < channels; c++) found |= (uint32_t)(x[c] != 0) << c;
            bits[place * words + word] = (uint16_t)found;
        }
}

/* the dense tensor [places][channels] of 0 and 1 */
void unpack(const uint16_t *bits, int64_t places, int64_t channels, float *dense, int64_t threads)
{
    const int64_t words = (channels + WORD - 1) / WORD;
#pragma omp parallel for num_threads(threads)
    for (int64_t place = 0; place < places; place++)
        for (int64_t word = 0; word < words; word++) {
            const uint32_t all_bits = bits[place * words + word];
            float *to = dense + place * channels + word * WORD;
            for (int64_t c = 0; c < WORD && word * WORD + c < channels; c++) to[c] = (float)(all_bits >> c & 1);
        }
}

/* bits of `spikes.c`, [T][ceil(channels / 32)][pixels][batch] with 32 channels to a word, in the order of this file */
void repack(const uint32_t *spikes, int64_t timesteps, int64_t channels, int64_t pixels, int64_t batch, int64_t images,
            uint16_t *bits, int64_t threads)
{
    const int64_t doubles = (channels + 31) / 32, words = (channels + WORD - 1) / WORD;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int64_t t = 0; t < timesteps; t++)
        for (int64_t block = 0; block < (images + 15) / 16; block++)
            for (int64_t chunk = 0; chunk < pixels; chunk += 32)
                for (int64_t b = block * 16; b < block * 16 + 16 && b < images; b++)
                    for (int64_t pixel = chunk; pixel < chunk + 32 && pixel < pixels; pixel++)
                        for (int64_t d = 0; d < doubles; d++) {
                            const uint32_t both = spikes[((t * doubles + d) * pixels + pixel) * batch + b];
                            uint16_t *to = bits + ((t * images + b) * pixels + pixel) * words + 2 * d;
                            to[0] = (uint16_t)both;
                            if (2 * d + 1 < words) to[1] = (uint16_t)(both >> 16);
                        }
}
