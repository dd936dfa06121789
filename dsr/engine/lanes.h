/* One register of floats, and what `spikes.c` does with it: AVX-512 if available, else AVX2 with FMA.
 *
 * A lane is a channel where tensors are dense, because torch's channels_last has the channels of a pixel side by side.
 * Where spikes are convolved it is an image (`permutes.h`) or an output channel (`rows.h`). `Mask` says for each lane
 * whether something is done there. Functions are named by what they do, so that the kernels are written once.
 */
#if !defined(__AVX512F__) && !(defined(__AVX2__) && defined(__FMA__))
#error "this processor has neither AVX-512 nor AVX2 with FMA"
#endif
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LINE static inline __attribute__((always_inline))

#ifdef __AVX512F__

#define LANES 16
typedef __m512 Floats;
typedef __m512i Words;
typedef __mmask16 Mask;

LINE Floats all(float x) { return _mm512_set1_ps(x); }
LINE Words all_words(uint32_t x) { return _mm512_set1_epi32((int)x); }
LINE Floats load(const float *from) { return _mm512_loadu_ps(from); }
LINE void store(float *to, Floats x) { _mm512_storeu_ps(to, x); }
LINE Floats plus(Floats a, Floats b) { return _mm512_add_ps(a, b); }
LINE Floats times(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
LINE Floats times_plus(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
LINE Floats minus_product(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a b */
LINE Mask at_least(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
LINE Mask above(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
LINE Mask same(Words a, Words b) { return _mm512_cmpeq_epi32_mask(a, b); }
LINE Mask has_bit(Words x, Words bit) { return _mm512_test_epi32_mask(x, bit); }
LINE Mask lanes_of(uint32_t bits) { return (Mask)bits; }
LINE uint32_t bits_of(Mask on) { return on; }
LINE Floats only(Mask on, Floats x) { return _mm512_maskz_mov_ps(on, x); }
LINE Words choose(Mask on, Words a, Words b) { return _mm512_mask_blend_epi32(on, b, a); }
LINE Floats minus(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
LINE Floats plus_where(Mask on, Floats a, Floats b) { return _mm512_mask_add_ps(a, on, a, b); }
LINE Floats minus_where(Mask on, Floats a, Floats b) { return _mm512_mask_sub_ps(a, on, a, b); }

LINE Mask first_lanes(int64_t count) { return (Mask)(count < LANES ? (1u << count) - 1 : 0xffff); }
LINE Floats load_where(Mask on, const float *from) { return _mm512_maskz_loadu_ps(on, from); }
LINE void store_where(Mask on, float *to, Floats x) { _mm512_mask_storeu_ps(to, on, x); }
LINE Words load_bytes(const uint8_t *from) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from)); }
LINE void store_bytes(uint8_t *to, Words x) { _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(x)); }

#else

#define LANES 8
typedef __m256 Floats;
typedef __m256i Words;
typedef __m256i Mask; /* all bits of a lane, or none */

LINE Floats all(float x) { return _mm256_set1_ps(x); }
LINE Words all_words(uint32_t x) { return _mm256_set1_epi32((int)x); }
LINE Floats load(const float *from) { return _mm256_loadu_ps(from); }
LINE void store(float *to, Floats x) { _mm256_storeu_ps(to, x); }
LINE Floats plus(Floats a, Floats b) { return _mm256_add_ps(a, b); }
LINE Floats times(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
LINE Floats times_plus(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
LINE Floats minus_product(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
LINE Mask at_least(Floats a, Floats b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GE_OQ)); }
LINE Mask above(Floats a, Floats b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
LINE Mask same(Words a, Words b) { return _mm256_cmpeq_epi32(a, b); }
LINE Mask has_bit(Words x, Words bit) { return _mm256_cmpeq_epi32(_mm256_and_si256(x, bit), bit); }
LINE Mask lanes_of(uint32_t bits) { return has_bit(all_words(bits), _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128)); }
LINE uint32_t bits_of(Mask on) { return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(on)); }
LINE Words choose(Mask on, Words a, Words b) { return _mm256_blendv_epi8(b, a, on); }
LINE Floats minus(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
LINE Floats only(Mask on, Floats x) { return _mm256_and_ps(_mm256_castsi256_ps(on), x); }
LINE Floats plus_where(Mask on, Floats a, Floats b) { return _mm256_add_ps(a, only(on, b)); }
LINE Floats minus_where(Mask on, Floats a, Floats b) { return _mm256_sub_ps(a, only(on, b)); }

LINE Mask first_lanes(int64_t count)
{
    const int some = count < LANES ? (int)count : LANES;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(some), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LINE Floats load_where(Mask on, const float *from) { return _mm256_maskload_ps(from, on); }
LINE void store_where(Mask on, float *to, Floats x) { _mm256_maskstore_ps(to, on, x); }
LINE Words load_bytes(const uint8_t *from) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from)); }
LINE void store_bytes(uint8_t *to, Words x)
{
    const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(half, half));
}

#endif

/* the first `count` lanes, at most all; the others are 0 or left as they are */
LINE Words load_some_bytes(const uint8_t *from, int64_t count)
{
    uint8_t some[LANES] = {0};
    if (count >= LANES) return load_bytes(from);
    memcpy(some, from, count);
    return load_bytes(some);
}

LINE void store_some_bytes(uint8_t *to, Words x, int64_t count)
{
    uint8_t some[LANES];
    if (count >= LANES) {
        store_bytes(to, x);
    } else {
        store_bytes(some, x);
        memcpy(to, some, count);
    }
}
