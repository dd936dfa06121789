/* The nearest bfloat16 of every float32, ties to even, as a float32; called by `precision.py`. A NaN stays a NaN. */
#include <stdint.h>

void nearest(const uint32_t *x, int64_t count, uint32_t *out, int64_t threads)
{
#pragma omp parallel for simd num_threads(threads)
    for (int64_t i = 0; i < count; i++) {
        const uint32_t up = x[i] + 0x7fff + (x[i] >> 16 & 1);
        const uint32_t is_nan = (x[i] & 0x7fffffff) > 0x7f800000;
        out[i] = (is_nan ? x[i] | 0x400000 : up) & 0xffff0000;
    }
}
