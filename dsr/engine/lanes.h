/* One register of floats, and what `spikes.c` does with it: AVX-512 if available, else AVX2 with FMA.
 *
 * A lane is an image where spikes are convolved, and a channel where tensors are dense, because torch's channels_last
 * has the channels of a pixel side by side. `Mask` says for each lane whether something is done there. Functions are
 * named by what they do, so that the kernels are written once.
 */
#if !defined(__AVX512F__) && !(defined(__AVX2__) && defined(__FMA__))
#error "this processor has neither AVX-512 nor AVX2 with FMA"
#endif
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LINE static inline __attribute__((always_inline))
#define TILE 4  /* output channels processed together */
#define GROUP 4 /* input channels in one lookup */

#ifdef __AVX512F__

#define LANES 16
#define BLOCK 4    /* registers of images processed together */
#define ENTRIES 16 /* floats of a table for one group of input channels and one output channel */
typedef __m512 Floats;
typedef __m512i Words;
typedef __mmask16 Mask;

LINE Floats all(float x) { return _mm512_set1_ps(x); }
LINE Words all_words(uint32_t x) { return _mm512_set1_epi32((int)x); }
LINE Floats load(const float *from) { return _mm512_loadu_ps(from); }
LINE void store(float *to, Floats x) { _mm512_storeu_ps(to, x); }
LINE Words load_words(const uint32_t *from) { return _mm512_loadu_si512(from); }
LINE void store_words(uint32_t *to, Words x) { _mm512_storeu_si512(to, x); }
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
LINE Words or_where(Mask on, Words a, Words b) { return _mm512_mask_or_epi32(a, on, a, b); }

LINE Mask first_lanes(int64_t count) { return (Mask)(count < LANES ? (1u << count) - 1 : 0xffff); }
LINE Floats load_where(Mask on, const float *from) { return _mm512_maskz_loadu_ps(on, from); }
LINE void store_where(Mask on, float *to, Floats x) { _mm512_mask_storeu_ps(to, on, x); }
LINE float sum_where(Mask on, Floats x) { return _mm512_mask_reduce_add_ps(on, x); }
LINE Words load_bytes(const uint8_t *from) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from)); }
LINE void store_bytes(uint8_t *to, Words x) { _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(x)); }

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
        const Floats entries = load(table + c * ENTRIES);
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

#else

#define LANES 8
#define BLOCK 2
#define ENTRIES 8
typedef __m256 Floats;
typedef __m256i Words;
typedef __m256i Mask; /* all bits of a lane, or none */

LINE Floats all(float x) { return _mm256_set1_ps(x); }
LINE Words all_words(uint32_t x) { return _mm256_set1_epi32((int)x); }
LINE Floats load(const float *from) { return _mm256_loadu_ps(from); }
LINE void store(float *to, Floats x) { _mm256_storeu_ps(to, x); }
LINE Words load_words(const uint32_t *from) { return _mm256_loadu_si256((const __m256i *)from); }
LINE void store_words(uint32_t *to, Words x) { _mm256_storeu_si256((__m256i *)to, x); }
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
LINE Words or_where(Mask on, Words a, Words b) { return _mm256_or_si256(a, _mm256_and_si256(on, b)); }

LINE Mask first_lanes(int64_t count)
{
    const int some = count < LANES ? (int)count : LANES;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(some), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LINE Floats load_where(Mask on, const float *from) { return _mm256_maskload_ps(from, on); }
LINE void store_where(Mask on, float *to, Floats x) { _mm256_maskstore_ps(to, on, x); }
LINE float sum_where(Mask on, Floats x)
{
    x = only(on, x);
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}
LINE Words load_bytes(const uint8_t *from) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from)); }
LINE void store_bytes(uint8_t *to, Words x)
{
    const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(half, half));
}

/* two tables of 2 weights: a register of 8 lanes chooses among 4 entries in one instruction, among 16 in many */
LINE void tabulate_group(const float weight[GROUP], float *table)
{
    for (int i = 0; i < GROUP; i += 2, table += 4) {
        table[0] = 0, table[1] = weight[i], table[2] = weight[i + 1];
        table[3] = weight[i] + weight[i + 1];
    }
}

LINE void look_up(Words index[BLOCK], const float *table, const int registers, Floats sum[TILE][BLOCK])
{
    Words next[BLOCK];
    for (int r = 0; r < registers; r++) next[r] = _mm256_srli_epi32(index[r], GROUP / 2);
    for (int c = 0; c < TILE; c++) {
        const Floats low = _mm256_broadcast_ps((const __m128 *)(table + c * ENTRIES));
        const Floats high = _mm256_broadcast_ps((const __m128 *)(table + c * ENTRIES + ENTRIES / 2));
        for (int r = 0; r < registers; r++) {
            sum[c][r] = plus(sum[c][r], _mm256_permutevar_ps(low, index[r]));
            sum[c][r] = plus(sum[c][r], _mm256_permutevar_ps(high, next[r]));
            __asm__("" : "+x"(sum[c][r])); /* in a register now: gcc otherwise looks up far ahead and spills sums */
        }
    }
    for (int r = 0; r < registers; r++) index[r] = _mm256_srli_epi32(next[r], GROUP / 2);
}

LINE void transpose(Floats rows[LANES])
{
    Floats half[LANES];
    for (int i = 0; i < LANES; i += 4) {
        const Floats a = _mm256_unpacklo_ps(rows[i], rows[i + 1]), b = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
        const Floats c = _mm256_unpacklo_ps(rows[i + 2], rows[i + 3]), d = _mm256_unpackhi_ps(rows[i + 2], rows[i + 3]);
        half[i] = _mm256_shuffle_ps(a, c, 0x44), half[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        half[i + 2] = _mm256_shuffle_ps(b, d, 0x44), half[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(half[i], half[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(half[i], half[i + 4], 0x31);
    }
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
