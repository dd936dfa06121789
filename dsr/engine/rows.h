/* Convolutions of spikes where lanes are output channels (AVX2), for `spikes.c`.
 *
 * A table has a row for each pattern of 4 spikes: the sums of the weights that it selects, for 16 output channels side by
 * side. So a lookup is a load, and one instruction adds it to 8 channels: 32 multiply-accumulates, exactly as float32
 * additions.
 *
 * MANY sums, of different images and steps, are computed together. Each part of a table, one tap of one word of inputs,
 * serves all of them before the next part is loaded: it fits the L1 cache, as do the sums, and a whole table does not.
 */
#define WIDE 16  /* output channels in a row of a table: a cache line */
#define MANY 128 /* sums, of WIDE channels each; a multiple of IMAGES */

/* WIDE channels from `first` on at a pixel, of images b, b + 1, ... at steps t, t + 1, ... */
typedef struct {
    int64_t t, steps, b, images, y, x, first;
} Place;

LINE int64_t at_most(int64_t some, int64_t most) { return some < most ? some : most; }

/* table[channel / 16][tap][input group][16 patterns][channel % 16]: sums of the weights that a pattern of 4 spikes selects;
 * weight[output][tap][input] */
void tabulate(const float *weight, const float *scale, int64_t outputs, int64_t inputs, int64_t taps, float *table,
              int64_t threads)
{
    const int64_t groups = (inputs + GROUP - 1) / GROUP, tiles = (outputs + WIDE - 1) / WIDE;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (int64_t tile = 0; tile < tiles; tile++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t group = 0; group < groups; group++) {
                float some[GROUP][WIDE] = {{0}};
                float *rows = table + ((tile * taps + tap) * groups + group) * PATTERNS * WIDE;
                for (int64_t c = 0; c < WIDE && tile * WIDE + c < outputs; c++)
                    for (int64_t i = 0; i < GROUP && group * GROUP + i < inputs; i++) {
                        const int64_t o = tile * WIDE + c;
                        some[i][c] = weight[(o * taps + tap) * inputs + group * GROUP + i] * scale[o];
                    }
                memset(rows, 0, WIDE * sizeof *rows);
                for (int i = 0; i < GROUP; i++) /* a pattern whose last spike is i: the row without it, and i's weights */
                    for (int pattern = 1 << i; pattern < 2 << i; pattern++)
                        for (int c = 0; c < WIDE; c++)
                            rows[pattern * WIDE + c] = rows[(pattern - (1 << i)) * WIDE + c] + some[i][c];
            }
}

/* sums[i] += the rows that the spikes in from[i] select, one of each group. A word without spikes is not skipped: in
 * trained networks such words are few, and the branch costs as much as it saves */
LINE void add_rows(const uint32_t *from, int64_t images, const float *table, const int64_t groups, const int registers,
                   float *sums)
{
    for (int64_t i = 0; i < images; i++, sums += WIDE) {
        const uint32_t word = from[i];
        Floats sum[WIDE / LANES];
        for (int r = 0; r < registers; r++) sum[r] = load(sums + r * LANES);
        for (int64_t group = 0; group < groups; group++) {
            const uint32_t pattern = word >> (group * GROUP) & (PATTERNS - 1);
            const float *row = table + (group * PATTERNS + pattern) * WIDE;
            for (int r = 0; r < registers; r++) sum[r] = plus(sum[r], load(row + r * LANES));
        }
        for (int r = 0; r < registers; r++) store(sums + r * LANES, sum[r]);
    }
}

LINE void convolve(const Term *term, const Place *at, int64_t batch, const int registers, float *sums)
{
    const int64_t groups = (term->channels + GROUP - 1) / GROUP, plane = term->height * term->width * batch;
    const int64_t step = step_size(term, batch), taps = term->kernel * term->kernel;
    for (int64_t ky = 0; ky < term->kernel; ky++) {
        const int64_t row = at->y * term->stride - term->padding + ky;
        if (row < 0 || row >= term->height) continue;
        for (int64_t kx = 0; kx < term->kernel; kx++) {
            const int64_t column = at->x * term->stride - term->padding + kx;
            if (column < 0 || column >= term->width) continue;
            const uint32_t *from = term->spikes + at->t * step + (row * term->width + column) * batch + at->b;
            const int64_t tap = at->first / WIDE * taps + ky * term->kernel + kx;
            const float *table = term->values + tap * groups * PATTERNS * WIDE;
            for (int64_t group = 0; group < groups; group += WORD / GROUP, from += plane) {
                const int64_t some = at_most(groups - group, WORD / GROUP);
                const float *part = table + group * PATTERNS * WIDE;
                for (int64_t s = 0; s < at->steps; s++) {
                    float *to = sums + s * at->images * WIDE;
                    switch (some) { /* loops of a constant length for multiples of 16 channels */
                    case 8: add_rows(from + s * step, at->images, part, 8, registers, to); break;
                    case 4: add_rows(from + s * step, at->images, part, 4, registers, to); break;
                    default: add_rows(from + s * step, at->images, part, some, registers, to);
                    }
                }
            }
        }
    }
}

LINE void pass(const Term *term, const Place *at, int64_t batch, const int registers, float *sums)
{
    const int64_t words = (term->channels + WORD - 1) / WORD;
    Floats value[WIDE / LANES];
    for (int r = 0; r < registers; r++)
        value[r] = load_where(first_lanes(term->channels - at->first - r * LANES), term->values + at->first + r * LANES);
    for (int64_t s = 0; s < at->steps; s++) {
        const int64_t plane = (at->t + s) * words + at->first / WORD;
        const uint32_t *from = term->spikes + ((plane * term->height + at->y) * term->width + at->x) * batch + at->b;
        for (int64_t i = 0; i < at->images; i++, sums += WIDE)
            for (int r = 0; r < registers; r++) {
                const Mask on = lanes_of(from[i] >> (at->first % WORD + r * LANES));
                store(sums + r * LANES, plus_where(on, load(sums + r * LANES), value[r]));
            }
    }
}

/* sums[step][image][WIDE] = shift, if given, + all terms */
LINE void add_terms(const Layer *layer, const Term *terms, int64_t count, const float *shift, const Place *at,
                    const int registers, float *sums)
{
    for (int r = 0; r < registers; r++) {
        const Floats start = shift ? load(shift + at->first + r * LANES) : all(0);
        for (int64_t i = 0; i < at->steps * at->images; i++) store(sums + i * WIDE + r * LANES, start);
    }
    for (const Term *term = terms; term < terms + count; term++) {
        if (term->kernel)
            convolve(term, at, layer->batch, registers, sums);
        else
            pass(term, at, layer->batch, registers, sums);
    }
}

/* all steps of WIDE channels; the second half of a word adds its spikes to those of the first */
LINE void fire_place(const Layer *layer, const Term *terms, int64_t count, const float *shift, uint32_t *out, Place at,
                    const int registers)
{
    float sums[MANY * WIDE] __attribute__((aligned(64))), membranes[MANY * WIDE] __attribute__((aligned(64)));
    const int64_t words = (layer->channels + WORD - 1) / WORD;
    const int64_t step = words * layer->height * layer->width * layer->batch, many = MANY / at.images;
    uint32_t *to = out + ((at.first / WORD * layer->height + at.y) * layer->width + at.x) * layer->batch + at.b;
    const Floats leak = all(layer->leak), level = all(layer->level), threshold = all(layer->threshold);
    memset(membranes, 0, at.images * WIDE * sizeof *membranes);
    for (at.t = 0; at.t < layer->timesteps; at.t += many) {
        at.steps = at_most(layer->timesteps - at.t, many);
        add_terms(layer, terms, count, shift, &at, registers, sums);
        const float *sum = sums;
        for (int64_t s = 0; s < at.steps; s++)
            for (int64_t i = 0; i < at.images; i++, sum += WIDE) {
                float *membrane = membranes + i * WIDE;
                uint32_t bits = 0, *place = to + (at.t + s) * step + i;
                for (int r = 0; r < registers; r++) {
                    const Floats u = times_plus(load(membrane + r * LANES), leak, load(sum + r * LANES));
                    const Mask on = at_least(u, level);
                    store(membrane + r * LANES, minus_where(on, u, threshold));
                    bits |= bits_of(on) << (r * LANES);
                }
                *place = at.first % WORD ? *place | bits << WIDE : bits;
            }
    }
}

/* a neuron layer whose current is an affine function of spike trains: shift[channel] + sum of terms */
void fire(const Layer *layer, const Term *terms, int64_t count, const float *shift, uint32_t *out, int64_t threads)
{
    const int64_t words = (layer->channels + WORD - 1) / WORD, pixels = layer->height * layer->width;
#pragma omp parallel for collapse(3) schedule(dynamic) num_threads(threads)
    for (int64_t word = 0; word < words; word++)
        for (int64_t b = 0; b < layer->batch; b += MANY)
            for (int64_t pixel = 0; pixel < pixels; pixel++)
                for (int64_t first = word * WORD; first < at_most((word + 1) * WORD, layer->channels); first += WIDE) {
                    const Place at = {.b = b, .images = at_most(layer->batch - b, MANY), .y = pixel / layer->width,
                                      .x = pixel % layer->width, .first = first};
                    if (layer->channels - first > LANES)
                        fire_place(layer, terms, count, shift, out, at, 2);
                    else
                        fire_place(layer, terms, count, shift, out, at, 1);
                }
}

/* dense[t * images + b][pixel][channel] = shift[channel] + sum of terms */
LINE void currents_of_place(const Layer *layer, const Term *terms, int64_t count, const float *shift, float *dense,
                           int64_t images, Place at, const int registers)
{
    float sums[MANY * WIDE] __attribute__((aligned(64)));
    const int64_t image = layer->channels * layer->height * layer->width, pixel = at.y * layer->width + at.x;
    add_terms(layer, terms, count, shift, &at, registers, sums);
    for (int64_t s = 0; s < at.steps; s++)
        for (int64_t i = 0; i < at_most(images - at.b, at.images); i++) {
            float *to = dense + ((at.t + s) * images + at.b + i) * image + pixel * layer->channels + at.first;
            for (int r = 0; r < registers; r++)
                store_where(first_lanes(layer->channels - at.first - r * LANES), to + r * LANES,
                            load(sums + (s * at.images + i) * WIDE + r * LANES));
        }
}

void currents(const Layer *layer, const Term *terms, int64_t count, const float *shift, float *dense, int64_t images,
              int64_t threads)
{
    const int64_t pixels = layer->height * layer->width, block = at_most(layer->batch, MANY), many = MANY / block;
#pragma omp parallel for collapse(4) schedule(dynamic) num_threads(threads)
    for (int64_t first = 0; first < layer->channels; first += WIDE)
        for (int64_t t = 0; t < layer->timesteps; t += many)
            for (int64_t b = 0; b < layer->batch; b += block)
                for (int64_t pixel = 0; pixel < pixels; pixel++) {
                    const Place at = {.t = t, .steps = at_most(layer->timesteps - t, many), .b = b,
                                      .images = at_most(layer->batch - b, block), .y = pixel / layer->width,
                                      .x = pixel % layer->width, .first = first};
                    if (layer->channels - first > LANES)
                        currents_of_place(layer, terms, count, shift, dense, images, at, 2);
                    else
                        currents_of_place(layer, terms, count, shift, dense, images, at, 1);
                }
}

/* sum over the first `images` images and the pixels of every `skip`-th row, from row skip / 2 on, of the variance over
 * time, sum_t weights[t] (x_t - mean)^2; partial[channel / 4][row][4 channels] */
void time_variance(const Layer *layer, const Term *terms, int64_t count, const float *weights, int64_t images,
                   int64_t skip, double *partial, int64_t threads)
{
    const int64_t rows = (layer->height - skip / 2 + skip - 1) / skip;
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads)
    for (int64_t first = 0; first < layer->channels; first += WIDE)
        for (int64_t row = 0; row < rows; row++) {
            double total[WIDE] = {0};
            for (int64_t b = 0; b < images; b += IMAGES)
                for (int64_t x = 0; x < layer->width; x++) {
                    float sums[MANY * WIDE] __attribute__((aligned(64)));
                    Floats mean[IMAGES][WIDE / LANES], square[IMAGES][WIDE / LANES];
                    for (int i = 0; i < IMAGES; i++)
                        for (int r = 0; r < WIDE / LANES; r++) mean[i][r] = square[i][r] = all(0);
                    for (int64_t t = 0; t < layer->timesteps; t += MANY / IMAGES) {
                        const Place at = {.t = t, .steps = at_most(layer->timesteps - t, MANY / IMAGES), .b = b,
                                          .images = IMAGES, .y = skip / 2 + row * skip, .x = x, .first = first};
                        add_terms(layer, terms, count, 0, &at, WIDE / LANES, sums);
                        for (int64_t s = 0; s < at.steps; s++)
                            for (int i = 0; i < IMAGES; i++)
                                for (int r = 0; r < WIDE / LANES; r++) {
                                    const Floats sum = load(sums + (s * IMAGES + i) * WIDE + r * LANES);
                                    const Floats weighted = times(all(weights[t + s]), sum);
                                    mean[i][r] = plus(mean[i][r], weighted);
                                    square[i][r] = times_plus(weighted, sum, square[i][r]);
                                }
                    }
                    for (int i = 0; i < IMAGES; i++)
                        for (int r = 0; r < WIDE / LANES; r++)
                            square[i][r] = b + i < images ? minus_product(mean[i][r], mean[i][r], square[i][r]) : all(0);
                    for (int half = IMAGES / 2; half; half /= 2) /* the order in which AVX-512 sums a register */
                        for (int i = 0; i < half; i++)
                            for (int r = 0; r < WIDE / LANES; r++) square[i][r] = plus(square[i][r], square[i + half][r]);
                    for (int r = 0; r < WIDE / LANES; r++) add_up(total + r * LANES, square[0][r], LANES);
                }
            for (int64_t c = first; c < at_most(first + WIDE, layer->channels); c++)
                partial[(c / TILE * rows + row) * TILE + c % TILE] = total[c - first];
        }
}
