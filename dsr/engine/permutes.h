/* Convolutions of spikes where lanes are images (AVX-512), for `spikes.c`.
 *
 * The 16 sums that 4 spikes may select are one register, for one output channel: a permute looks them up for 16 images.
 * So one permute and one add do 64 multiply-accumulates, exactly as float32 additions. Neurons integrate in registers:
 * their currents never reach memory.
 */
#define BLOCK 4 /* registers of images processed together */
#define NEAR 4  /* consecutive pixels whose currents are computed together */

LINE Words load_words(const uint32_t *from) { return _mm512_loadu_si512(from); }
LINE void store_words(uint32_t *to, Words x) { _mm512_storeu_si512(to, x); }
LINE Words or_where(Mask on, Words a, Words b) { return _mm512_mask_or_epi32(a, on, a, b); }
LINE float sum_where(Mask on, Floats x) { return _mm512_mask_reduce_add_ps(on, x); }

/* a group's 16 sums of 4 weights, one for each pattern of spikes */
LINE void tabulate_group(const float weight[GROUP], float *table)
{
    static const Mask selected[GROUP] = {0xaaaa, 0xcccc, 0xf0f0, 0xff00}; /* the patterns in which spike i is on */
    Floats row = all(0);
    for (int i = 0; i < GROUP; i++) row = plus_where(selected[i], row, all(weight[i]));
    store(table, row);
}

/* sum[c][r] += what the lowest 4 bits of index[r] select from table c; then those bits are dropped */
LINE void look_up(Words index[BLOCK], const float *table, const int registers, Floats sum[TILE][BLOCK])
{
    for (int c = 0; c < TILE; c++) {
        const Floats entries = load(table + c * PATTERNS);
        for (int r = 0; r < registers; r++) sum[c][r] = plus(sum[c][r], _mm512_permutexvar_ps(index[r], entries));
    }
    for (int r = 0; r < registers; r++) index[r] = _mm512_srli_epi32(index[r], GROUP);
}

/* rows[i] lane j -> rows[j] lane i */
LINE void transpose(Floats rows[LANES])
{
    Floats half[LANES];
    for (int i = 0; i < LANES; i += 4) {
        const Floats a = _mm512_unpacklo_ps(rows[i], rows[i + 1]), b = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
        const Floats c = _mm512_unpacklo_ps(rows[i + 2], rows[i + 3]), d = _mm512_unpackhi_ps(rows[i + 2], rows[i + 3]);
        half[i] = _mm512_shuffle_ps(a, c, 0x44), half[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        half[i + 2] = _mm512_shuffle_ps(b, d, 0x44), half[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        const Floats a = _mm512_shuffle_f32x4(half[i], half[i + 4], 0x88), b = _mm512_shuffle_f32x4(half[i], half[i + 4], 0xdd);
        const Floats c = _mm512_shuffle_f32x4(half[i + 8], half[i + 12], 0x88);
        const Floats d = _mm512_shuffle_f32x4(half[i + 8], half[i + 12], 0xdd);
        rows[i] = _mm512_shuffle_f32x4(a, c, 0x88), rows[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        rows[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), rows[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

/* table[channel / 4][tap][input group][channel % 4][16]: sums of the weights that a pattern of 4 spikes selects;
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
                    tabulate_group(some, table + (((tile * taps + tap) * groups + group) * TILE + c) * PATTERNS);
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
            const float *table = term->values + (tile * term->kernel * term->kernel + ky * term->kernel + kx) * groups * TILE * PATTERNS;
            for (int64_t group = 0; group < groups; from += plane) {
                Words index[BLOCK];
                for (int r = 0; r < registers; r++) index[r] = load_words(from + r * apart);
                const int64_t last = group + WORD / GROUP < groups ? group + WORD / GROUP : groups;
                for (; group < last; group++, table += TILE * PATTERNS) look_up(index, table, registers, sum);
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
