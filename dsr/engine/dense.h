/* Norms, clamps and sums over time on dense float32 tensors, for `spikes.c`.
 *
 * A tensor is [rows][channels] with the channels of a pixel side by side (torch's channels_last), a row for each step,
 * image and pixel. Sums per channel are float32 over SOME rows, float64 above; each PART of the rows has sums of its own,
 * which are added in order. They do not depend on the number of threads.
 */
#include <stdlib.h>
#include "lanes.h"

#define PART 256
#define SOME(channels) (1024 / (channels) < 8 ? 8 : 1024 / (channels)) /* about 4 KB */

/* sums[k][channel] += the lanes */
LINE void add_up(double *sums, Floats x, int64_t count)
{
    float lanes[LANES];
    store(lanes, x);
    for (int64_t i = 0; i < LANES && i < count; i++) sums[i] += lanes[i];
}

static void add_parts(const double *parts, int64_t count, int64_t size, double *sums)
{
    for (int64_t i = 0; i < size; i++) sums[i] = 0;
    for (int64_t part = 0; part < count; part++)
        for (int64_t i = 0; i < size; i++) sums[i] += parts[part * size + i];
}

/* the state of a clamp at m: 0 below, 1 open, 2 above; `closed`: its ends are open */
LINE Words clamped(Floats m, Floats ceiling, int64_t closed)
{
    const Words no = all_words(0), yes = all_words(1);
    const Words open = closed ? choose(at_least(m, all(0)), yes, no)
                              : choose(above(m, all(0)), choose(above(ceiling, m), yes, no), no);
    return choose(above(m, ceiling), all_words(2), open);
}

/* mean and biased variance per channel over all rows; sums are centred on each channel's first value */
void moments(const float *dense, int64_t rows, int64_t channels, float *mean, float *variance, int64_t threads)
{
    const int64_t parts = (rows + PART - 1) / PART, size = 2 * channels, some = SOME(channels);
    double *sums = calloc((parts + 1) * size, sizeof *sums), *total = sums + parts * size;
#pragma omp parallel for num_threads(threads)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t end = (part + 1) * PART < rows ? (part + 1) * PART : rows;
        for (int64_t first = part * PART; first < end; first += some)
            for (int64_t c = 0; c < channels; c += LANES) {
                const Mask on = first_lanes(channels - c);
                const Floats centre = load_where(on, dense + c);
                Floats sum = all(0), square = all(0);
                for (int64_t row = first; row < first + some && row < end; row++) {
                    const Floats d = minus(load_where(on, dense + row * channels + c), centre);
                    sum = plus(sum, d), square = times_plus(d, d, square);
                }
                add_up(sums + part * size + c, sum, channels - c);
                add_up(sums + part * size + channels + c, square, channels - c);
            }
    }
    add_parts(sums, parts, size, total);
    for (int64_t c = 0; c < channels; c++) {
        const double average = total[c] / rows;
        mean[c] = (float)(dense[c] + average), variance[c] = (float)(total[channels + c] / rows - average * average);
    }
    free(sums);
}

/* state[row][channel] of the clamp at m = scale sum_t weights[t] x_t + shift; `rows` are those of a step */
void clamp_state(const float *dense, int64_t steps, int64_t rows, int64_t channels, const float *weights, const float *scale,
                 const float *shift, float ceiling, int64_t closed, uint8_t *state, int64_t threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < channels; c += LANES) {
            const Mask on = first_lanes(channels - c);
            Floats m = all(0);
            for (int64_t t = 0; t < steps; t++)
                m = times_plus(load_where(on, dense + (t * rows + row) * channels + c), all(weights[t]), m);
            m = times_plus(m, load_where(on, scale + c), load_where(on, shift + c));
            store_some_bytes(state + row * channels + c, clamped(m, all(ceiling), closed), channels - c);
        }
}

/* gradient of a clamp: factor * grad where it is open; `saturated` is the sum of grad where it is saturated */
void clamp_backward(const float *grad, const uint8_t *state, int64_t count, float factor, float *out, double *saturated,
                    int64_t threads)
{
    const int64_t parts = (count + 4095) / 4096;
    double *sums = malloc(parts * sizeof *sums);
#pragma omp parallel for num_threads(threads)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t last = part * 4096 + 4096 < count ? part * 4096 + 4096 : count;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = part * 4096; i < last; i++) {
            out[i] = state[i] == 1 ? grad[i] * factor : 0.0f;
            sum += state[i] == 2 ? grad[i] : 0.0f;
        }
        sums[part] = sum;
    }
    add_parts(sums, parts, 1, saturated);
    free(sums);
}

/* the gradient behind a clamp; all of it where there is no clamp */
LINE Floats through_clamp(Floats grad, const uint8_t *state, int64_t at, Floats factor, int64_t count)
{
    if (!state) return grad;
    return times(factor, only(same(load_some_bytes(state + at, count), all_words(1)), grad));
}

/* Backward of a norm, with a clamp behind it if `state` is given: its first pass. g[row] is the gradient at the norm's
 * output, the same at every step; x_t = dense[t * rows + row]. sums[3][channel]: sum of g over all steps, of g (x_t - mean),
 * and of grad where the clamp is saturated */
void norm_sums(const float *grad, const uint8_t *state, float factor, const float *dense, int64_t steps, int64_t rows,
               int64_t channels, const float *mean, double *sums, int64_t threads)
{
    const int64_t parts = (rows + PART - 1) / PART, size = 3 * channels, some = SOME(channels);
    double *of_parts = calloc(parts * size, sizeof *of_parts);
#pragma omp parallel for num_threads(threads)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t end = (part + 1) * PART < rows ? (part + 1) * PART : rows;
        double *to = of_parts + part * size;
        for (int64_t first = part * PART; first < end; first += some)
            for (int64_t c = 0; c < channels; c += LANES) {
                const int64_t last = first + some < end ? first + some : end, left = channels - c;
                const Mask on = first_lanes(left);
                const Floats centre = load_where(on, mean + c);
                Floats total = all(0), saturated = all(0);
                for (int64_t at = first * channels + c; at < last * channels; at += channels) {
                    const Floats g = load_where(on, grad + at);
                    total = plus(total, through_clamp(g, state, at, all(factor), left));
                    if (state) saturated = plus_where(same(load_some_bytes(state + at, left), all_words(2)), saturated, g);
                }
                Floats product = all(0);
                for (int64_t t = 0; t < steps; t++) {
                    const float *x = dense + t * rows * channels;
                    for (int64_t at = first * channels + c; at < last * channels; at += channels) {
                        const Floats g = through_clamp(load_where(on, grad + at), state, at, all(factor), left);
                        product = times_plus(g, minus(load_where(on, x + at), centre), product);
                    }
                }
                add_up(to + c, total, left);
                add_up(to + channels + c, product, left);
                add_up(to + 2 * channels + c, saturated, left);
            }
    }
    add_parts(of_parts, parts, size, sums);
    for (int64_t c = 0; c < channels; c++) sums[c] *= steps;
    free(of_parts);
}

/* its second pass: out_t = weight invstd (g - offset - (x_t - mean) slope), from the sums of `count` values a channel */
void norm_gradient(const float *grad, const uint8_t *state, float factor, const float *dense, int64_t steps, int64_t rows,
                   int64_t channels, const float *mean, const float *invstd, const float *weight, const double *sums,
                   const double *count, float *out, int64_t threads)
{
    const int64_t some = SOME(channels), padded = channels + LANES;
    float *centre = calloc(4 * padded, sizeof *centre);
    float *offset = centre + padded, *gain = offset + padded, *slope = gain + padded;
    for (int64_t c = 0; c < channels; c++) {
        centre[c] = mean[c], offset[c] = (float)(sums[c] / *count), gain[c] = weight[c] * invstd[c];
        slope[c] = (float)(sums[channels + c] * invstd[c] * invstd[c] / *count);
    }
#pragma omp parallel for num_threads(threads)
    for (int64_t first = 0; first < rows; first += some)
        for (int64_t t = 0; t < steps; t++) {
            const int64_t last = first + some < rows ? first + some : rows, step = t * rows * channels;
            for (int64_t row = first; row < last; row++)
                for (int64_t c = 0; c < channels; c += LANES) {
                    const int64_t at = row * channels + c, left = channels - c;
                    const Mask on = first_lanes(left);
                    const Floats g = through_clamp(load_where(on, grad + at), state, at, all(factor), left);
                    const Floats x = minus(load_where(on, dense + step + at), load(centre + c));
                    const Floats centred = minus_product(x, load(slope + c), minus(g, load(offset + c)));
                    store_where(on, out + step + at, times(load(gain + c), centred));
                }
        }
    free(centre);
}

/* out = sum_t weights[t] dense_t, `rows` rows each; sums[channel]: the sum over all steps and rows */
void sum_over_time(const float *dense, int64_t steps, int64_t rows, int64_t channels, const float *weights, float *out,
                   double *sums, int64_t threads)
{
    const int64_t parts = (rows + PART - 1) / PART, some = SOME(channels);
    double *of_parts = calloc(parts * channels, sizeof *of_parts);
#pragma omp parallel for num_threads(threads)
    for (int64_t part = 0; part < parts; part++) {
        const int64_t end = (part + 1) * PART < rows ? (part + 1) * PART : rows;
        for (int64_t first = part * PART; first < end; first += some)
            for (int64_t c = 0; c < channels; c += LANES) {
                const int64_t last = first + some < end ? first + some : end;
                const Mask on = first_lanes(channels - c);
                Floats total = all(0);
                for (int64_t t = 0; t < steps; t++)
                    for (int64_t at = first * channels + c; at < last * channels; at += channels) {
                        const Floats x = load_where(on, dense + t * rows * channels + at);
                        const Floats before = t ? load_where(on, out + at) : all(0);
                        store_where(on, out + at, times_plus(x, all(weights[t]), before));
                        total = plus(total, x);
                    }
                add_up(of_parts + part * channels + c, total, channels - c);
            }
    }
    add_parts(of_parts, parts, channels, sums);
    free(of_parts);
}
