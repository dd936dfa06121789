/* The nearest bfloat16 of a float32 in bits, ties to even; infinities stay, a NaN stays one. */
#include <stdint.h>

static inline __attribute__((always_inline)) uint32_t nearest_bits(uint32_t x)
{
    const uint32_t up = x + 0x7fff + (x >> 16 & 1), is_nan = (x & 0x7fffffff) > 0x7f800000;
    return (is_nan ? x | 0x400000 : up) & 0xffff0000;
}
