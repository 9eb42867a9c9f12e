/* Matrix products of activations with 4-bit weights, for CPUs with AVX-512 VNNI or AVX2. Built by c_kernels.py.
 *
 * Each row of activations is quantized to 15-bit integers, x = step * (128 * high + low), so that all products are
 * products of bytes: more precise than bfloat16 (8 bits), and several times faster than unpacking the matrix. The
 * integer accumulation is exact: 16,384 columns * 15 * 127 is far below 2^31.
 *
 * The matrix is stored in blocks of 16 rows. For every 8 columns a block has 64 bytes: byte 4r + j holds column j of
 * row r in its low nibble and column 4 + j in its high nibble, each plus 8.
 */
#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { ROWS = 16, GROUP = 64, LARGEST = 16256 }; /* 128 * 127: the largest quantized activation */

#if defined(__AVX512VNNI__)
typedef __m512i lanes; /* 64 bytes, or 16 accumulators */
static inline lanes zero(void) { return _mm512_setzero_si512(); }
static inline lanes load(const uint8_t *at) { return _mm512_loadu_si512(at); }
static inline lanes low_nibbles(lanes v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
static inline lanes high_nibbles(lanes v) { return low_nibbles(_mm512_srli_epi16(v, 4)); }
static inline lanes add_products(lanes sums, lanes weights, int32_t four) {
    return _mm512_dpbusd_epi32(sums, weights, _mm512_set1_epi32(four));
}
static inline void store(int32_t *at, lanes v) { _mm512_storeu_si512(at, v); }
#elif defined(__AVX2__)
typedef struct { __m256i a, b; } lanes;
static inline lanes zero(void) { return (lanes){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
static inline lanes load(const uint8_t *at) {
    return (lanes){_mm256_loadu_si256((const void *)at), _mm256_loadu_si256((const void *)(at + 32))};
}
static inline lanes low_nibbles(lanes v) {
    const __m256i mask = _mm256_set1_epi8(15);
    return (lanes){_mm256_and_si256(v.a, mask), _mm256_and_si256(v.b, mask)};
}
static inline lanes high_nibbles(lanes v) {
    return low_nibbles((lanes){_mm256_srli_epi16(v.a, 4), _mm256_srli_epi16(v.b, 4)});
}
static inline __m256i add_half(__m256i sums, __m256i weights, __m256i four) {
    /* Sums of pairs fit into 16 bits: 2 * 15 * 127. */
    return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, four), _mm256_set1_epi16(1)));
}
static inline lanes add_products(lanes sums, lanes weights, int32_t four) {
    const __m256i same = _mm256_set1_epi32(four);
    return (lanes){add_half(sums.a, weights.a, same), add_half(sums.b, weights.b, same)};
}
static inline void store(int32_t *at, lanes v) {
    _mm256_storeu_si256((void *)at, v.a);
    _mm256_storeu_si256((void *)(at + 8), v.b);
}
#else
#error "neither AVX-512 VNNI nor AVX2"
#endif

/* Rows of activations are multiplied in tiles of 8, 4, 2 or 1. For every 8 columns, a tile stores 8 high and 8 low bytes
 * of each of its rows, so that it is read sequentially: rows a power of two apart would evict each other from the
 * cache. */
typedef struct { int first, size; } tile;

static tile tile_at(int row, int m) {
    int first = m & ~7;
    if (row < first) return (tile){row & ~7, 8};
    for (int size = 4; size > 1; size /= 2) {
        if (!(m & size)) continue;
        if (row < first + size) return (tile){first, size};
        first += size;
    }
    return (tile){first, 1};
}

/* Quantize one row of activations into its tile. A value that is not finite makes the whole row NaN. */
static void split(const float *x, int k, int8_t *bytes, int rows_of_tile, float *step, float *sum) {
    float largest = 0.0f, poison = 0.0f;
    for (int i = 0; i < k; i++) {
        const float size = fabsf(x[i]);
        largest = size > largest ? size : largest;
        poison += x[i] * 0.0f;
    }
    const float inverse = largest > 0.0f ? LARGEST / largest : 0.0f;
    int32_t total = 0;
    for (int g = 0; g < k / 8; g++, bytes += 16 * rows_of_tile) {
        for (int j = 0; j < 8; j++) {
            const int32_t value = (int32_t)lrintf(x[8 * g + j] * inverse), high = (value + 64) >> 7;
            bytes[j] = (int8_t)high;
            bytes[8 + j] = (int8_t)(value - 128 * high);
            total += value;
        }
    }
    *step = largest / LARGEST + poison;
    *sum = (float)total;
}

/* The product of a block's 16 rows with M rows of activations, separately for high and low bytes. M is a compile-time
 * constant, so that the accumulators stay in registers. */
#define TIMES(M)                                                                                      \
    static void times_##M(const uint8_t *block, const int8_t *bytes, int k, int32_t *high, int32_t *low) { \
        lanes h[M], l[M];                                                                             \
        for (int i = 0; i < M; i++) h[i] = l[i] = zero();                                             \
        for (int g = 0; g < k / 8; g++) {                                                             \
            const uint8_t *at = block + (size_t)GROUP * g;                                            \
            const lanes both = load(at), first = low_nibbles(both), second = high_nibbles(both);      \
            _mm_prefetch((const char *)(at + 16 * GROUP), _MM_HINT_T0);                               \
            for (int i = 0; i < M; i++) {                                                             \
                const int32_t *x = (const int32_t *)bytes + 4 * (M * g + i);                          \
                h[i] = add_products(add_products(h[i], first, x[0]), second, x[1]);                   \
                l[i] = add_products(add_products(l[i], first, x[2]), second, x[3]);                   \
            }                                                                                         \
        }                                                                                             \
        for (int i = 0; i < M; i++) {                                                                 \
            store(high + ROWS * i, h[i]);                                                             \
            store(low + ROWS * i, l[i]);                                                              \
        }                                                                                             \
    }
TIMES(1)
TIMES(2)
TIMES(4)
TIMES(8)

static void times(int size, const uint8_t *block, const int8_t *bytes, int k, int32_t *high, int32_t *low) {
    switch (size) {
    case 8: times_8(block, bytes, k, high, low); break;
    case 4: times_4(block, bytes, k, high, low); break;
    case 2: times_2(block, bytes, k, high, low); break;
    default: times_1(block, bytes, k, high, low);
    }
}

/* out [m, n] = x [m, k] * matrix [n, k]^T * scale [n] + bias [n] (or NULL). k is a multiple of 8.
 * Scratch buffers of the caller: bytes [m, 2 k], rows [m, 2]. */
void int4_product(const uint8_t *matrix, const float *x, const float *scale, const float *bias, float *out, int8_t *bytes,
                  float *rows, int m, int n, int k, int threads) {
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int i = 0; i < m; i++) {
            const tile t = tile_at(i, m);
            int8_t *to = bytes + (size_t)2 * k * t.first + 16 * (i - t.first);
            split(x + (size_t)k * i, k, to, t.size, rows + 2 * i, rows + 2 * i + 1);
        }
#pragma omp for schedule(static)
        for (int block = 0; block < (n + ROWS - 1) / ROWS; block++) {
            const int first = ROWS * block, width = n - first < ROWS ? n - first : ROWS;
            int32_t high[8 * ROWS], low[8 * ROWS];
            for (int i = 0, size; i < m; i += size) {
                size = tile_at(i, m).size;
                times(size, matrix + (size_t)first * k / 2, bytes + (size_t)2 * k * i, k, high, low);
                for (int j = 0; j < size; j++) {
                    const float step = rows[2 * (i + j)], eights = 8.0f * rows[2 * (i + j) + 1];
                    float *to = out + (size_t)n * (i + j) + first;
                    for (int r = 0; r < width; r++) {
                        const float sum = 128.0f * (float)high[ROWS * j + r] + (float)low[ROWS * j + r] - eights;
                        to[r] = sum * step * scale[first + r] + (bias ? bias[first + r] : 0.0f);
                    }
                }
            }
        }
    }
}
