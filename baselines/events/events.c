/* One step of a layer of integrate-and-fire neurons, driven by events. Called by `membranes.py`; `conversion.py` does
 * the same in torch.
 *
 * A spike adds the weights behind it to the membranes it reaches: what is computed is what happened, as on neuromorphic
 * hardware, and a silent neuron costs nothing. Channels are innermost, [images][pixels][width], the width padded to
 * whole vectors. Vectors are GCC's and clang's, for any processor.
 */
#include <stdint.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LANES 8
typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

typedef struct {
    uint16_t channel, pixel;
} Event;

typedef struct { /* where a spike's weights go: to consecutive pixels, by consecutive matrices. Counted in floats. */
    int32_t to, from, length;
} Run;

typedef struct {           /* the connection from one layer to another */
    const Event *events;   /* of the source: [images][pixels * width] */
    const int32_t *count;  /* [images] */
    const int32_t *first;  /* [pixels + 1]: where a pixel's runs begin */
    const Run *runs;
    const float *weight;   /* [channels][matrices][width of the target]; identity: [channels][matrices] */
    int64_t size, row, identity; /* the source's pixels * width; floats of a channel's weights */
} Term;

typedef struct {
    float *membrane;     /* [images][pixels][width], the drive of the coming step in it */
    const float *drive;  /* current at every step: [images][pixels][width], or [width] if it is the same everywhere */
    Event *events;       /* emitted spikes, as in `Term`; NULL: the readout */
    int32_t *count;
    int32_t *by_pixel;   /* [images][pixels]: spikes so far */
    int32_t *by_channel; /* [images][width]: spikes so far */
    int64_t images, pixels, width, varies;
    float threshold;
} Layer;

/* add to VECTORS vectors what the rows of `count` channels hold */
#define ADD_ROWS(VECTORS)                                                                                              \
    static inline void add_##VECTORS(float *to, const float *from, int64_t row, const Event *event, int64_t count)     \
    {                                                                                                                  \
        Vector sum[VECTORS];                                                                                           \
        for (int k = 0; k < VECTORS; k++) sum[k] = ((Vector *)to)[k];                                                  \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            const Vector *weight = (const Vector *)(from + event[i].channel * row);                                    \
            for (int k = 0; k < VECTORS; k++) sum[k] += weight[k];                                                     \
        }                                                                                                              \
        for (int k = 0; k < VECTORS; k++) ((Vector *)to)[k] = sum[k];                                                  \
    }
ADD_ROWS(1)
ADD_ROWS(2)
ADD_ROWS(4)
ADD_ROWS(6)
ADD_ROWS(8)
ADD_ROWS(12)

static inline void add(float *to, const float *from, int32_t length, int64_t row, const Event *event, int64_t count)
{
#define SOME(VECTORS)                                                       \
    for (; length >= VECTORS * LANES; length -= VECTORS * LANES) {          \
        add_##VECTORS(to, from, row, event, count);                         \
        to += VECTORS * LANES, from += VECTORS * LANES;                     \
    }
    SOME(12) SOME(8) SOME(6) SOME(4) SOME(2) SOME(1)
}

static void deliver(const Term *term, int64_t image, float *membrane)
{
    const Event *event = term->events + image * term->size, *end = event + term->count[image];
    while (event < end) {
        const uint16_t pixel = event->pixel;
        int64_t count = 1;
        while (event + count < end && event[count].pixel == pixel) count++;
        const Run *run = term->runs + term->first[pixel], *last = term->runs + term->first[pixel + 1];
        for (; run < last; run++)
            if (term->identity)
                for (int64_t i = 0; i < count; i++)
                    membrane[run->to + event[i].channel] += term->weight[event[i].channel * term->row + run->from];
            else
                add(membrane + run->to, term->weight + run->from, run->length, term->row, event, count);
        event += count;
    }
}

/* the neurons of one vector that fire are written to `events`, room for all: their number. `first` is the first one's
 * event as a number, the pixel in the upper half. Thresholds are taken off the membranes. */
static inline int64_t fire_vector(float *membrane, float threshold, uint32_t first, Event *events);

#ifdef __AVX2__
static uint64_t bytes_of[256]; /* the numbers of the bits that are set, a byte each */

__attribute__((constructor)) static void fill(void)
{
    for (int mask = 0; mask < 256; mask++)
        for (int bit = 0, found = 0; bit < 8; bit++)
            if (mask >> bit & 1) bytes_of[mask] |= (uint64_t)bit << (8 * found++);
}

static inline int64_t fire_vector(float *membrane, float threshold, uint32_t first, Event *events)
{
    const __m256 u = _mm256_loadu_ps(membrane), theta = _mm256_set1_ps(threshold);
    const __m256 on = _mm256_cmp_ps(u, theta, _CMP_GE_OQ);
    const int mask = _mm256_movemask_ps(on);
    _mm256_storeu_ps(membrane, _mm256_sub_ps(u, _mm256_and_ps(on, theta)));
    const __m256i which = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes_of[mask]));
    _mm256_storeu_si256((__m256i *)events, _mm256_add_epi32(which, _mm256_set1_epi32((int)first)));
    return __builtin_popcount(mask);
}
#else
static inline int64_t fire_vector(float *membrane, float threshold, uint32_t first, Event *events)
{
    int64_t count = 0;
    for (int64_t c = 0; c < LANES; c++) {
        const int on = membrane[c] >= threshold;
        events[count] = (Event){(uint16_t)(first + c), first >> 16};
        count += on;
        membrane[c] -= on ? threshold : 0;
    }
    return count;
}
#endif

static void fire(const Layer *layer, int64_t image)
{
    const int64_t size = layer->pixels * layer->width;
    float *membrane = layer->membrane + image * size;
    const float *drive = layer->drive + (layer->varies ? image * size : 0);
    Event *events = layer->events + image * size;
    int32_t *by_pixel = layer->by_pixel + image * layer->pixels, *by_channel = layer->by_channel + image * layer->width;
    int32_t count = 0;
    for (int64_t pixel = 0; pixel < layer->pixels; pixel++, membrane += layer->width) {
        const int32_t before = count;
        for (int64_t c = 0; c < layer->width; c += LANES) {
            count += (int32_t)fire_vector(membrane + c, layer->threshold, (uint32_t)(pixel << 16 | c), events + count);
            *(Vector *)(membrane + c) += *(const Vector *)(drive + c);
        }
        by_pixel[pixel] += count - before;
        if (layer->varies) drive += layer->width;
    }
    layer->count[image] = count;
    for (int32_t i = 0; i < count; i++) by_channel[events[i].channel]++;
}

typedef struct {          /* a pooled map, of which only the nonzero values count */
    const Event *events;  /* of the source, as in `Term` */
    const int32_t *count;
    const int32_t *first; /* [pixels + 1]: where a pixel's places begin */
    const int32_t *to;    /* the places of the map whose windows contain the pixel */
    int32_t *last;        /* [images][places][width]: the last step at which a value was not 0; they begin at 1 */
    int32_t *nonzero;     /* [images][places]: values that were not 0, so far */
    int64_t images, places, width, size;
} Pool;

/* count this step's nonzero values of a pooled map: several spikes in one window are one value */
void pool(const Pool *pool, int64_t step, int64_t threads)
{
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t image = 0; image < pool->images; image++) {
        const Event *event = pool->events + image * pool->size, *end = event + pool->count[image];
        int32_t *last = pool->last + image * pool->places * pool->width, *nonzero = pool->nonzero + image * pool->places;
        for (; event < end; event++)
            for (int32_t i = pool->first[event->pixel]; i < pool->first[event->pixel + 1]; i++) {
                int32_t *seen = last + pool->to[i] * pool->width + event->channel;
                nonzero[pool->to[i]] += *seen != step;
                *seen = (int32_t)step;
            }
    }
}

/* add this step's spikes to a layer's membranes and let it fire */
void advance(const Layer *layer, const Term *terms, int64_t count, int64_t threads)
{
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t image = 0; image < layer->images; image++) {
        for (const Term *term = terms; term < terms + count; term++)
            deliver(term, image, layer->membrane + image * layer->pixels * layer->width);
        if (layer->events) fire(layer, image);
    }
}
