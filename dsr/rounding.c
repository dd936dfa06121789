/* The nearest bfloat16 of every float32, as a float32; called by `precision.py`. */
#include "nearest.h"

void nearest(const uint32_t *x, int64_t count, uint32_t *out, int64_t threads)
{
#pragma omp parallel for simd num_threads(threads)
    for (int64_t i = 0; i < count; i++) out[i] = nearest_bits(x[i]);
}
