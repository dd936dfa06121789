/* Batch norm and the activation behind it, in one pass each way. Called by `kernels.py`; torch's modules do the same.
 *
 *   z = weight (x - mean) inverse + bias + after,   y = h(z)         inverse = 1 / sqrt(variance + eps)
 *   g = dL/dy h'(z)
 *   dL/dbias = sum g,   dL/dweight = inverse sum g (x - mean)
 *   dL/dx = weight inverse (g - mean of g - (x - mean) inverse^2 mean of g (x - mean))
 *
 * Maps are [rows][channels], rows being pixels (NHWC). What h needs is computed anew from x in backward: nothing but x,
 * and `after`, is kept. Several rows are handled at once, in `width` lanes, so that few channels fill vectors, too;
 * vectors of channels are repeated to that width. Sums are taken in float over a block that the cache holds and in
 * double over blocks.
 * Sums go through a map from its end, which has just been written, and what is computed from them goes from its start.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 8192 /* floats */
#define LEAST 64   /* lanes */

enum { IDENTITY, RELU, CLIP, CLAMP_FLOOR, FLOOR_CLAMP, LEVELS };

typedef struct {
    const float *x, *mean, *inverse, *weight, *bias; /* weight and bias: NULL for 1 and 0 */
    const float *after;                              /* [rows][channels]; NULL for 0 */
    int64_t rows, channels, threads, activation;
    float ceiling, levels, alpha; /* clip, theta or V; L or T; of LEVELS */
} Norm;

typedef struct { /* how a map is cut: into blocks of `steps` times `width` floats */
    int64_t size, channels, width, steps, blocks;
} Cut;

static Cut cut(int64_t rows, int64_t channels)
{
    int64_t width = channels;
    while (width < LEAST || (channels < LEAST && width % 16)) width += channels;
    const int64_t steps = BLOCK / width > 0 ? BLOCK / width : 1, size = rows * channels;
    return (Cut){size, channels, width, steps, (size + steps * width - 1) / (steps * width)};
}

static inline int64_t at_least_one(int64_t n) { return n > 0 ? n : 1; }

/* repeat [channels] to [width]; NULL is `otherwise` */
static void spread(const Cut *cut, const float *by_channel, float otherwise, float *lanes)
{
    for (int64_t i = 0; i < cut->width; i++) lanes[i] = by_channel ? by_channel[i % cut->channels] : otherwise;
}

/* add lanes [width] to [channels] */
static void fold(const Cut *cut, const float *lanes, double *by_channel)
{
    for (int64_t first = 0; first < cut->width; first += cut->channels)
        for (int64_t c = 0; c < cut->channels; c++) by_channel[c] += lanes[first + c];
}

/* the floats of a block: its first, and how many */
static inline int64_t block_at(const Cut *cut, int64_t block, int64_t *length)
{
    const int64_t first = block * cut->steps * cut->width, rest = cut->size - first, all = cut->steps * cut->width;
    *length = rest < all ? rest : all;
    return first;
}

/* run BODY for the floats start + lane of a block, up to `width` lanes at a time */
#define BY_LANES(BODY)                                                         \
    for (int64_t start = 0; start < length; start += width) {                  \
        const int64_t lanes = length - start < width ? length - start : width; \
        _Pragma("omp simd") for (int64_t lane = 0; lane < lanes; lane++) BODY  \
    }

/* sum = x + residual where there is one, and the lanes' totals of the sum */
static void totals(const float *restrict x, const float *restrict residual, float *restrict sum, int64_t length,
                   int64_t width, float *restrict total)
{
    memset(total, 0, (size_t)width * sizeof(float));
    if (residual) BY_LANES({
        const float value = x[start + lane] + residual[start + lane];
        sum[start + lane] = value;
        total[lane] += value;
    })
    else BY_LANES({ total[lane] += x[start + lane]; })
}

static void squares(const float *restrict x, int64_t length, int64_t width, const float *restrict mean,
                    float *restrict total)
{
    memset(total, 0, (size_t)width * sizeof(float));
    BY_LANES({
        const float distance = x[start + lane] - mean[lane];
        total[lane] += distance * distance;
    })
}

/* add a block's sums of x and of x^2 to `sums` [2][channels]; the squares are taken around the block's own mean */
static void block_moments(const Cut *cut, const float *x, const float *residual, float *sum, int64_t block,
                          double *sums)
{
    int64_t length;
    const int64_t first = block_at(cut, block, &length), channels = cut->channels;
    const double count = (double)(length / channels);
    float lanes[cut->width], mean[cut->width];
    double total[channels], square[channels];
    memset(total, 0, sizeof total);
    memset(square, 0, sizeof square);
    totals(x + first, residual ? residual + first : 0, residual ? sum + first : 0, length, cut->width, lanes);
    fold(cut, lanes, total);
    for (int64_t i = 0; i < cut->width; i++) mean[i] = (float)(total[i % channels] / count);
    squares((residual ? sum : x) + first, length, cut->width, mean, lanes);
    fold(cut, lanes, square);
    for (int64_t c = 0; c < channels; c++) {
        sums[c] += total[c];
        sums[channels + c] += square[c] + mean[c] * (2 * total[c] - count * mean[c]);
    }
}

/* mean, inverse and unbiased variance [channels] of a map, or of the sum of two, which is stored */
void moments(const float *x, const float *residual, float *sum, int64_t rows, int64_t channels, double eps, float *mean,
             float *inverse, float *variance, int64_t threads)
{
    const Cut of = cut(rows, channels);
    double sums[at_least_one(threads)][2 * channels];
    memset(sums, 0, sizeof sums);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t thread = 0; thread < threads; thread++)
        for (int64_t block = of.blocks * (thread + 1) / threads - 1; block >= of.blocks * thread / threads; block--)
            block_moments(&of, x, residual, sum, block, sums[thread]);
    for (int64_t c = 0; c < channels; c++) {
        double first = 0, second = 0;
        for (int64_t thread = 0; thread < threads; thread++)
            first += sums[thread][c], second += sums[thread][channels + c];
        const double around = second - first * first / (double)rows, centred = around > 0 || isnan(around) ? around : 0;
        mean[c] = (float)(first / (double)rows);
        inverse[c] = (float)(1 / sqrt(centred / (double)rows + eps));
        variance[c] = (float)(centred / (double)(rows > 1 ? rows - 1 : 1));
    }
}

/* a where the condition is 1, b where it is 0: by bits, because compilers turn `?:` into branches, which keep them from
 * using vectors */
static inline __attribute__((always_inline)) float chosen(int condition, float a, float b)
{
    const uint32_t mask = -(uint32_t)condition;
    union { float value; uint32_t bits; } first = {a}, second = {b};
    first.bits = (first.bits & mask) | (second.bits & ~mask);
    return first.value;
}

/* clamp(x, 0, most); NaN stays NaN */
static inline __attribute__((always_inline)) float clamp(float x, float most)
{
    x = chosen(x < 0, 0, x);
    return chosen(x > most, most, x);
}

/* h(z); NaN stays NaN */
static inline __attribute__((always_inline)) float value(float z, int activation, float ceiling, float levels,
                                                         float alpha)
{
    if (activation == IDENTITY) return z;
    if (activation == RELU) return chosen(z < 0, 0, z);
    if (activation == CLIP) return clamp(z, ceiling);
    float share = z / ceiling;
    if (activation == CLAMP_FLOOR || activation == LEVELS) share = clamp(share, 1);
    if (activation == LEVELS) {
        share = share * levels - alpha; /* at least -1: the next level is 0 below 0 */
        const float next = chosen(share < 0, 0, (float)(int32_t)share + 1) + (share - share);
        return chosen(next > levels, levels, next) / levels * ceiling;
    }
    share = share * levels + 0.5f;
    if (activation == FLOOR_CLAMP) share = clamp(share, levels);
    const float level = (float)(int32_t)share + (share - share); /* rounded down; the last term keeps NaN */
    return level / levels * ceiling;
}

/* dh/dz, 0 or 1; that of LEVELS is that of CLIP */
static inline __attribute__((always_inline)) int is_open(float z, int activation, float ceiling, float levels)
{
    if (activation == IDENTITY) return 1;
    if (activation == RELU) return !(z <= 0);
    if (activation == CLIP) return (z >= 0) & (z <= ceiling);
    const float share = z / ceiling;
    if (activation == CLAMP_FLOOR) return (share >= 0) & (share <= 1);
    const float level = share * levels + 0.5f; /* not rounded down yet */
    return (level >= 0) & (level < levels + 1);
}

/* run DO(activation, added) with constants; added: whether `after` is */
#define BY_SLOPE(ADDED, DO)                         \
    switch (norm->activation) {                     \
    case IDENTITY: DO(IDENTITY, ADDED) break;       \
    case RELU: DO(RELU, ADDED) break;               \
    case LEVELS:                                    \
    case CLIP: DO(CLIP, ADDED) break;               \
    case CLAMP_FLOOR: DO(CLAMP_FLOOR, ADDED) break; \
    case FLOOR_CLAMP: DO(FLOOR_CLAMP, ADDED) break; \
    }
#define BY_VALUE(ADDED, DO)                             \
    if (norm->activation == LEVELS) {                   \
        DO(LEVELS, ADDED)                               \
    }                                                   \
    else BY_SLOPE(ADDED, DO)

/* z = scale x + shift, in lanes */
static void affine(const Norm *norm, const Cut *of, float *scale, float *shift)
{
    spread(of, norm->weight, 1, scale);
    spread(of, norm->bias, 0, shift);
    for (int64_t i = 0; i < of->width; i++) {
        scale[i] *= norm->inverse[i % of->channels];
        shift[i] -= norm->mean[i % of->channels] * scale[i];
    }
}

static inline __attribute__((always_inline)) void activate_block(
    const float *restrict x, const float *restrict after, float *restrict y, int64_t length, int64_t width,
    const float *restrict scale, const float *restrict shift, int activation, int added, float ceiling, float levels,
    float alpha)
{
    BY_LANES({
        float z = scale[lane] * x[start + lane] + shift[lane];
        if (added) z += after[start + lane];
        y[start + lane] = value(z, activation, ceiling, levels, alpha);
    })
}

/* y [rows][channels] */
void activate(const Norm *norm, float *y)
{
    const Cut of = cut(norm->rows, norm->channels);
    float scale[of.width], shift[of.width];
    affine(norm, &of, scale, shift);
#pragma omp parallel for schedule(static) num_threads(norm->threads)
    for (int64_t block = 0; block < of.blocks; block++) {
        int64_t length;
        const int64_t first = block_at(&of, block, &length);
#define ACTIVATE(ACTIVATION, ADDED)                                                                             \
    activate_block(norm->x + first, ADDED ? norm->after + first : 0, y + first, length, of.width, scale, shift, \
                   ACTIVATION, ADDED, norm->ceiling, norm->levels, norm->alpha);
        if (norm->after) { BY_VALUE(1, ACTIVATE) }
        else BY_VALUE(0, ACTIVATE)
    }
}

/* the lanes' totals of g, of g (x - mean) and, for a trained ceiling, of dL/dy dh/dceiling; g itself for `after` */
static inline __attribute__((always_inline)) void reduce_block(
    const float *restrict grad, const float *restrict x, const float *restrict after, float *restrict grad_after,
    int64_t length, int64_t width, const float *restrict scale, const float *restrict shift, const float *restrict mean,
    float *restrict of_bias, float *restrict of_weight, float *restrict of_ceiling, int activation, int added,
    float ceiling, float levels)
{
    const int staircase = activation == CLAMP_FLOOR || activation == FLOOR_CLAMP;
    BY_LANES({
        const float input = x[start + lane];
        float z = scale[lane] * input + shift[lane];
        if (added) z += after[start + lane];
        const int open = is_open(z, activation, ceiling, levels);
        const float g = chosen(open, grad[start + lane], 0);
        if (added) grad_after[start + lane] = g;
        of_bias[lane] += g;
        of_weight[lane] += g * (input - mean[lane]);
        if (staircase) {
            const float level = value(z, activation, ceiling, levels, 0);
            of_ceiling[lane] += grad[start + lane] * (level - chosen(open, z, 0)); /* times ceiling */
        }
        if (activation == CLIP) of_ceiling[lane] += chosen(z > ceiling, grad[start + lane] * ceiling, 0);
    })
}

/* the sums over a block, added to `sums` [2][channels] and the ceiling's */
static void block_sums(const Norm *norm, const Cut *of, const float *const lanes[3], const float *grad,
                       float *grad_after, int64_t block, double *sums)
{
    int64_t length;
    const int64_t first = block_at(of, block, &length);
    float totals[3][of->width];
    memset(totals, 0, sizeof totals);
#define REDUCE(ACTIVATION, ADDED)                                                                                     \
    reduce_block(grad + first, norm->x + first, ADDED ? norm->after + first : 0, ADDED ? grad_after + first : 0,      \
                 length, of->width, lanes[0], lanes[1], lanes[2], totals[0], totals[1], totals[2], ACTIVATION, ADDED, \
                 norm->ceiling, norm->levels);
    if (norm->after) BY_SLOPE(1, REDUCE)
    else BY_SLOPE(0, REDUCE)
    fold(of, totals[0], sums);
    fold(of, totals[1], sums + of->channels);
    for (int64_t i = 0; i < of->width; i++) sums[2 * of->channels] += totals[2][i];
}

/* dL/dweight and dL/dbias [channels], and dL/dceiling, from dL/dy; dL/dafter [rows][channels] if `after` is added */
void reduce(const Norm *norm, const float *grad, float *grad_after, float *grad_weight, float *grad_bias,
            float *grad_ceiling)
{
    const Cut of = cut(norm->rows, norm->channels);
    const int64_t threads = norm->threads, channels = norm->channels;
    float scale[of.width], shift[of.width], mean[of.width];
    const float *const lanes[3] = {scale, shift, mean};
    double sums[at_least_one(threads)][2 * channels + 1];
    affine(norm, &of, scale, shift);
    spread(&of, norm->mean, 0, mean);
    memset(sums, 0, sizeof sums);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t thread = 0; thread < threads; thread++)
        for (int64_t block = of.blocks * (thread + 1) / threads - 1; block >= of.blocks * thread / threads; block--)
            block_sums(norm, &of, lanes, grad, grad_after, block, sums[thread]);
    for (int64_t thread = 1; thread < threads; thread++)
        for (int64_t i = 0; i <= 2 * channels; i++) sums[0][i] += sums[thread][i];
    for (int64_t c = 0; c < channels; c++) {
        grad_bias[c] = (float)sums[0][c];
        grad_weight[c] = (float)(sums[0][channels + c] * norm->inverse[c]);
    }
    *grad_ceiling = (float)(sums[0][2 * channels] / norm->ceiling);
}

static inline __attribute__((always_inline)) void differentiate_block(
    const float *grad, const float *restrict x, float *grad_x, int64_t length, int64_t width,
    const float *restrict scale, const float *restrict shift, const float *restrict mean, const float *restrict slope,
    const float *restrict offset, int activation, float ceiling, float levels)
{
    BY_LANES({
        const float input = x[start + lane];
        const float z = scale[lane] * input + shift[lane];
        const float g = chosen(is_open(z, activation, ceiling, levels), grad[start + lane], 0);
        grad_x[start + lane] = scale[lane] * (g - offset[lane] - (input - mean[lane]) * slope[lane]);
    })
}

/* dL/dx [rows][channels] from dL/dy (dL/dafter if `after` is added), whose place it may take, and from `reduce` */
void differentiate(const Norm *norm, const float *grad, const float *grad_weight, const float *grad_bias, float *grad_x)
{
    const Cut of = cut(norm->rows, norm->channels);
    float scale[of.width], shift[of.width], mean[of.width], slope[of.width], offset[of.width];
    const float share = 1 / (float)norm->rows;
    affine(norm, &of, scale, shift);
    spread(&of, norm->mean, 0, mean);
    for (int64_t i = 0; i < of.width; i++) {
        slope[i] = grad_weight[i % of.channels] * norm->inverse[i % of.channels] * share;
        offset[i] = grad_bias[i % of.channels] * share;
    }
#pragma omp parallel for schedule(static) num_threads(norm->threads)
    for (int64_t block = 0; block < of.blocks; block++) {
        int64_t length;
        const int64_t first = block_at(&of, block, &length);
#define DIFFERENTIATE(ACTIVATION, ADDED)                                                                            \
    differentiate_block(grad + first, norm->x + first, grad_x + first, length, of.width, scale, shift, mean, slope, \
                        offset, ACTIVATION, norm->ceiling, norm->levels);
        if (norm->after) DIFFERENTIATE(IDENTITY, 1) /* `grad` is dL/dafter */
        else BY_SLOPE(0, DIFFERENTIATE)
    }
}
