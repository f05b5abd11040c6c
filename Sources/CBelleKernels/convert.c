// Conversion between double, float, half and bfloat16, rounding once, to nearest even (IEEE 754-2019, 4.3.1 and 5.4.2).
//
// A NaN keeps its sign and as many upper bits of its payload as fit, and comes out quiet: what the processor's own
// conversions do. (PyTorch does the same for half and float; to bfloat16 it makes every NaN 0x7FC0.) Subnormal numbers
// are rounded like all others, which is why AVX512_BF16's VCVTNEPS2BF16 is of no use here: it takes them for zeros.
//
// The vectors go through float. Widening to float is exact, so what follows rounds once. Double to half or bfloat16 would
// round twice; there the way to float rounds to odd (truncates, and sets the last bit where something was cut off), after
// which rounding to nearest is as if it were done at once, because float has at least two bits more than either.
// (S. Boldo, G. Melquiond: When double rounding is odd, 2005.)
#include <stdatomic.h>
#include <string.h>

#include "belle_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// MARK: The oracle: integers only, any format to any other

typedef struct {
  int bytes;
  int fraction;  // bits of the fraction
  int exponent;  // bits of the exponent
} format;

static const format formats[] = {
    [BELLE_F64] = {8, 52, 11},
    [BELLE_F32] = {4, 23, 8},
    [BELLE_F16] = {2, 10, 5},
    [BELLE_BF16] = {2, 7, 8},
};

static uint64_t convert_one(uint64_t bits, format from, format to, size_t *overflows) {
  uint64_t fraction = bits & ((UINT64_C(1) << from.fraction) - 1);
  int top = (1 << from.exponent) - 1;
  int exponent = (int)(bits >> from.fraction) & top;
  uint64_t sign = (bits >> (from.fraction + from.exponent)) << (to.fraction + to.exponent);
  uint64_t infinity = ((UINT64_C(1) << to.exponent) - 1) << to.fraction;
  int narrower = from.fraction - to.fraction;

  if (exponent == top) {
    if (fraction == 0) return sign | infinity;
    uint64_t payload = narrower > 0 ? fraction >> narrower : fraction << -narrower;
    return sign | infinity | UINT64_C(1) << (to.fraction - 1) | payload;
  }
  if (exponent == 0 && fraction == 0) return sign;

  // The value is significand * 2^(power - 63), and the significand's highest bit is set.
  int power = exponent - (top >> 1);
  uint64_t significand = fraction << (63 - from.fraction);
  if (exponent == 0) {
    power = 1 - (top >> 1);
    int shift = __builtin_clzll(significand);
    significand <<= shift;
    power -= shift;
  } else {
    significand |= UINT64_C(1) << 63;
  }

  // How many low bits the target has no room for; more of them below its least normal number.
  int bias = (1 << (to.exponent - 1)) - 1;
  int cut = 63 - to.fraction;
  bool subnormal = power < 1 - bias;
  if (subnormal) cut += 1 - bias - power;
  if (cut > 64) return sign;  // less than half of the least number
  uint64_t kept = cut == 64 ? 0 : significand >> cut;
  uint64_t rest = cut == 64 ? significand : significand << (64 - cut);
  uint64_t half = UINT64_C(1) << 63;
  if (rest > half || (rest == half && (kept & 1))) kept++;
  // A carry into the exponent is what it should be: the next power of two, the least normal number, or infinity.
  uint64_t result = subnormal ? kept : kept + ((uint64_t)(power + bias - 1) << to.fraction);
  if (!subnormal && (power > bias || result >= infinity)) {
    (*overflows)++;
    result = infinity;
  }
  return sign | result;
}

static uint64_t load(const uint8_t *at, int bytes) {
  uint64_t bits = 0;
  for (int i = bytes; i-- > 0;) bits = bits << 8 | at[i];
  return bits;
}

static size_t convert_scalar(
    belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  format in = formats[from], out = formats[to];
  size_t overflows = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t bits = convert_one(load(source + i * (size_t)in.bytes, in.bytes), in, out, &overflows);
    for (int b = 0; b < out.bytes; b++) target[i * (size_t)out.bytes + (size_t)b] = (uint8_t)(bits >> (8 * b));
  }
  return overflows;
}

#if defined(__x86_64__)

// From these magnitudes on, rounding to nearest gives infinity: the greatest number and half of its last place.
#define HALF_LIMIT 65520.0f            // (2 - 2^-11) * 2^15
#define BFLOAT_LIMIT 0x7F7F8000        // (2 - 2^-8) * 2^127, as a float's bits
#define FLOAT_LIMIT 0x1.ffffffp127     // (2 - 2^-24) * 2^127

// A kernel: `LOAD` makes a vector of floats of `STEP` elements, `STORE` writes one and answers how many overflowed. The
// last few elements go the oracle's way.
#define KERNEL(NAME, TARGET, FROM, TO, STEP, LOAD, STORE)                                                   \
  __attribute__((target(TARGET))) static size_t NAME(const uint8_t *source, uint8_t *target, size_t count) { \
    const size_t in = (size_t)formats[FROM].bytes, out = (size_t)formats[TO].bytes;                         \
    size_t i = 0, overflows = 0;                                                                            \
    for (; i + STEP <= count; i += STEP) overflows += STORE(target + i * out, LOAD(source + i * in));       \
    return overflows + convert_scalar(FROM, TO, source + i * in, target + i * out, count - i);              \
  }

// MARK: AVX-512, 16 elements at a time

#define WIDE "avx512f,popcnt"
#define WIDE_INLINE __attribute__((target(WIDE), always_inline)) static inline

WIDE_INLINE __m512 wide_load_f32(const uint8_t *at) { return _mm512_loadu_ps(at); }

WIDE_INLINE __m512 wide_load_f16(const uint8_t *at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at));
}

WIDE_INLINE __m512 wide_load_bf16(const uint8_t *at) {
  __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)at)), 16);
  __m512 value = _mm512_castsi512_ps(bits);
  __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
  return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x00400000)));
}

// Eight doubles to floats, rounded to odd.
WIDE_INLINE __m256i wide_odd(const uint8_t *at) {
  __m512d value = _mm512_loadu_pd(at);
  __m256 cut = _mm512_cvt_roundpd_ps(value, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  // Ordered: a NaN is not equal to itself, and nothing was cut off it that would have to show.
  __mmask8 inexact = _mm512_cmp_pd_mask(value, _mm512_cvtps_pd(cut), _CMP_NEQ_OQ);
  __m512i last = _mm512_maskz_set1_epi64(inexact, 1);
  return _mm256_or_si256(_mm256_castps_si256(cut), _mm512_cvtepi64_epi32(last));
}

WIDE_INLINE __m512 wide_load_f64_odd(const uint8_t *at) {
  __m512i low = _mm512_castsi256_si512(wide_odd(at));
  return _mm512_castsi512_ps(_mm512_inserti64x4(low, wide_odd(at + 64), 1));
}

WIDE_INLINE size_t wide_store_f64(uint8_t *at, __m512 value) {
  __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(value), 1));
  _mm512_storeu_pd(at, _mm512_cvtps_pd(_mm512_castps512_ps256(value)));
  _mm512_storeu_pd(at + 64, _mm512_cvtps_pd(high));
  return 0;
}

WIDE_INLINE size_t wide_store_f32(uint8_t *at, __m512 value) {
  _mm512_storeu_ps(at, value);
  return 0;
}

WIDE_INLINE size_t wide_store_f16(uint8_t *at, __m512 value) {
  _mm256_storeu_si256((__m256i *)at, _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  __m512 size = _mm512_abs_ps(value);
  __mmask16 large = _mm512_cmp_ps_mask(size, _mm512_set1_ps(HALF_LIMIT), _CMP_GE_OQ);
  __mmask16 finite = _mm512_cmp_ps_mask(size, _mm512_set1_ps(__builtin_inff()), _CMP_LT_OQ);
  return (size_t)__builtin_popcount((unsigned)(large & finite));
}

WIDE_INLINE size_t wide_store_bf16(uint8_t *at, __m512 value) {
  __m512i bits = _mm512_castps_si512(value);
  __m512i size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
  __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7FFF)));
  __mmask16 nan = _mm512_cmpgt_epi32_mask(size, _mm512_set1_epi32(0x7F800000));
  rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x00400000));
  _mm256_storeu_si256((__m256i *)at, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  __mmask16 large = _mm512_cmpge_epi32_mask(size, _mm512_set1_epi32(BFLOAT_LIMIT));
  __mmask16 finite = _mm512_cmplt_epi32_mask(size, _mm512_set1_epi32(0x7F800000));
  return (size_t)__builtin_popcount((unsigned)(large & finite));
}

__attribute__((target(WIDE)))
static size_t wide_f64_f32(const uint8_t *source, uint8_t *target, size_t count) {
  size_t i = 0, overflows = 0;
  for (; i + 8 <= count; i += 8) {
    __m512d value = _mm512_loadu_pd(source + i * 8);
    _mm256_storeu_ps((float *)(void *)(target + i * 4), _mm512_cvtpd_ps(value));
    __m512d size = _mm512_abs_pd(value);
    __mmask8 large = _mm512_cmp_pd_mask(size, _mm512_set1_pd(FLOAT_LIMIT), _CMP_GE_OQ);
    __mmask8 finite = _mm512_cmp_pd_mask(size, _mm512_set1_pd(__builtin_inf()), _CMP_LT_OQ);
    overflows += (size_t)__builtin_popcount((unsigned)(large & finite));
  }
  return overflows + convert_scalar(BELLE_F64, BELLE_F32, source + i * 8, target + i * 4, count - i);
}

KERNEL(wide_f64_f16, WIDE, BELLE_F64, BELLE_F16, 16, wide_load_f64_odd, wide_store_f16)
KERNEL(wide_f64_bf16, WIDE, BELLE_F64, BELLE_BF16, 16, wide_load_f64_odd, wide_store_bf16)
KERNEL(wide_f32_f64, WIDE, BELLE_F32, BELLE_F64, 16, wide_load_f32, wide_store_f64)
KERNEL(wide_f32_f16, WIDE, BELLE_F32, BELLE_F16, 16, wide_load_f32, wide_store_f16)
KERNEL(wide_f32_bf16, WIDE, BELLE_F32, BELLE_BF16, 16, wide_load_f32, wide_store_bf16)
KERNEL(wide_f16_f64, WIDE, BELLE_F16, BELLE_F64, 16, wide_load_f16, wide_store_f64)
KERNEL(wide_f16_f32, WIDE, BELLE_F16, BELLE_F32, 16, wide_load_f16, wide_store_f32)
KERNEL(wide_f16_bf16, WIDE, BELLE_F16, BELLE_BF16, 16, wide_load_f16, wide_store_bf16)
KERNEL(wide_bf16_f64, WIDE, BELLE_BF16, BELLE_F64, 16, wide_load_bf16, wide_store_f64)
KERNEL(wide_bf16_f32, WIDE, BELLE_BF16, BELLE_F32, 16, wide_load_bf16, wide_store_f32)
KERNEL(wide_bf16_f16, WIDE, BELLE_BF16, BELLE_F16, 16, wide_load_bf16, wide_store_f16)

// MARK: AVX2 with F16C, 8 elements at a time

#define SLIM "avx2,f16c,popcnt"
#define SLIM_INLINE __attribute__((target(SLIM), always_inline)) static inline

SLIM_INLINE __m256 slim_load_f32(const uint8_t *at) { return _mm256_loadu_ps((const float *)(const void *)at); }

SLIM_INLINE __m256 slim_load_f16(const uint8_t *at) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at));
}

SLIM_INLINE __m256 slim_load_bf16(const uint8_t *at) {
  __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)at)), 16);
  __m256 value = _mm256_castsi256_ps(bits);
  __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
  return _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x00400000))));
}

// The lower halves of four 64-bit masks.
SLIM_INLINE __m128i slim_masks(__m256d masks) {
  __m256i lower = _mm256_permutevar8x32_epi32(
      _mm256_castpd_si256(masks), _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
  return _mm256_castsi256_si128(lower);
}

// Four doubles to floats, rounded to odd: to nearest first, one place back towards zero where that went away from it,
// and the last bit set where the result is not exact. The float after the greatest one is infinity, so that this takes
// what went to infinity back too.
SLIM_INLINE __m128i slim_odd(const uint8_t *at) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  __m256d value = _mm256_loadu_pd((const double *)(const void *)at);
  __m128 near = _mm256_cvtpd_ps(value);
  __m256d back = _mm256_cvtps_pd(near);
  __m256d away = _mm256_cmp_pd(_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, value), _CMP_GT_OQ);
  __m256d inexact = _mm256_cmp_pd(back, value, _CMP_NEQ_OQ);
  __m128i cut = _mm_add_epi32(_mm_castps_si128(near), slim_masks(away));  // a mask is -1
  return _mm_or_si128(cut, _mm_srli_epi32(slim_masks(inexact), 31));
}

SLIM_INLINE __m256 slim_load_f64_odd(const uint8_t *at) {
  return _mm256_castsi256_ps(_mm256_set_m128i(slim_odd(at + 32), slim_odd(at)));
}

SLIM_INLINE size_t slim_store_f64(uint8_t *at, __m256 value) {
  _mm256_storeu_pd((double *)(void *)at, _mm256_cvtps_pd(_mm256_castps256_ps128(value)));
  _mm256_storeu_pd((double *)(void *)(at + 32), _mm256_cvtps_pd(_mm256_extractf128_ps(value, 1)));
  return 0;
}

SLIM_INLINE size_t slim_store_f32(uint8_t *at, __m256 value) {
  _mm256_storeu_ps((float *)(void *)at, value);
  return 0;
}

SLIM_INLINE size_t slim_store_f16(uint8_t *at, __m256 value) {
  _mm_storeu_si128((__m128i *)at, _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
  __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), value);
  __m256 large = _mm256_cmp_ps(size, _mm256_set1_ps(HALF_LIMIT), _CMP_GE_OQ);
  __m256 finite = _mm256_cmp_ps(size, _mm256_set1_ps(__builtin_inff()), _CMP_LT_OQ);
  return (size_t)__builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_and_ps(large, finite)));
}

SLIM_INLINE size_t slim_store_bf16(uint8_t *at, __m256 value) {
  __m256i bits = _mm256_castps_si256(value);
  __m256i size = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
  __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7FFF)));
  __m256i nan = _mm256_cmpgt_epi32(size, _mm256_set1_epi32(0x7F800000));
  rounded = _mm256_blendv_epi8(rounded, _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000)), nan);
  rounded = _mm256_srli_epi32(rounded, 16);
  // Packing works in halves of 128 bits: take the first and the third quarter.
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
  _mm_storeu_si128((__m128i *)at, _mm256_castsi256_si128(packed));
  __m256i large = _mm256_cmpgt_epi32(size, _mm256_set1_epi32(BFLOAT_LIMIT - 1));
  __m256i finite = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x7F800000), size);
  __m256 both = _mm256_castsi256_ps(_mm256_and_si256(large, finite));
  return (size_t)__builtin_popcount((unsigned)_mm256_movemask_ps(both));
}

__attribute__((target(SLIM)))
static size_t slim_f64_f32(const uint8_t *source, uint8_t *target, size_t count) {
  size_t i = 0, overflows = 0;
  for (; i + 4 <= count; i += 4) {
    __m256d value = _mm256_loadu_pd((const double *)(const void *)(source + i * 8));
    _mm_storeu_ps((float *)(void *)(target + i * 4), _mm256_cvtpd_ps(value));
    __m256d size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), value);
    __m256d large = _mm256_cmp_pd(size, _mm256_set1_pd(FLOAT_LIMIT), _CMP_GE_OQ);
    __m256d finite = _mm256_cmp_pd(size, _mm256_set1_pd(__builtin_inf()), _CMP_LT_OQ);
    overflows += (size_t)__builtin_popcount((unsigned)_mm256_movemask_pd(_mm256_and_pd(large, finite)));
  }
  return overflows + convert_scalar(BELLE_F64, BELLE_F32, source + i * 8, target + i * 4, count - i);
}

KERNEL(slim_f64_f16, SLIM, BELLE_F64, BELLE_F16, 8, slim_load_f64_odd, slim_store_f16)
KERNEL(slim_f64_bf16, SLIM, BELLE_F64, BELLE_BF16, 8, slim_load_f64_odd, slim_store_bf16)
KERNEL(slim_f32_f64, SLIM, BELLE_F32, BELLE_F64, 8, slim_load_f32, slim_store_f64)
KERNEL(slim_f32_f16, SLIM, BELLE_F32, BELLE_F16, 8, slim_load_f32, slim_store_f16)
KERNEL(slim_f32_bf16, SLIM, BELLE_F32, BELLE_BF16, 8, slim_load_f32, slim_store_bf16)
KERNEL(slim_f16_f64, SLIM, BELLE_F16, BELLE_F64, 8, slim_load_f16, slim_store_f64)
KERNEL(slim_f16_f32, SLIM, BELLE_F16, BELLE_F32, 8, slim_load_f16, slim_store_f32)
KERNEL(slim_f16_bf16, SLIM, BELLE_F16, BELLE_BF16, 8, slim_load_f16, slim_store_bf16)
KERNEL(slim_bf16_f64, SLIM, BELLE_BF16, BELLE_F64, 8, slim_load_bf16, slim_store_f64)
KERNEL(slim_bf16_f32, SLIM, BELLE_BF16, BELLE_F32, 8, slim_load_bf16, slim_store_f32)
KERNEL(slim_bf16_f16, SLIM, BELLE_BF16, BELLE_F16, 8, slim_load_bf16, slim_store_f16)

#endif

// MARK: Choosing

typedef size_t (*convert_function)(const uint8_t *, uint8_t *, size_t);

// NULL where the oracle does it.
static convert_function convert_for(belle_variant variant, belle_float from, belle_float to) {
#if defined(__x86_64__)
  static const convert_function wide[4][4] = {
      [BELLE_F64] = {NULL, wide_f64_f32, wide_f64_f16, wide_f64_bf16},
      [BELLE_F32] = {wide_f32_f64, NULL, wide_f32_f16, wide_f32_bf16},
      [BELLE_F16] = {wide_f16_f64, wide_f16_f32, NULL, wide_f16_bf16},
      [BELLE_BF16] = {wide_bf16_f64, wide_bf16_f32, wide_bf16_f16, NULL},
  };
  static const convert_function slim[4][4] = {
      [BELLE_F64] = {NULL, slim_f64_f32, slim_f64_f16, slim_f64_bf16},
      [BELLE_F32] = {slim_f32_f64, NULL, slim_f32_f16, slim_f32_bf16},
      [BELLE_F16] = {slim_f16_f64, slim_f16_f32, NULL, slim_f16_bf16},
      [BELLE_BF16] = {slim_bf16_f64, slim_bf16_f32, slim_bf16_f16, NULL},
  };
  if (variant == BELLE_AVX512) return wide[from][to];
  // No processor is known that has AVX2 and lacks F16C; asking costs nothing.
  if (variant == BELLE_AVX2 && __builtin_cpu_supports("f16c")) return slim[from][to];
#endif
  (void)variant, (void)from, (void)to;
  return NULL;
}

size_t belle_convert_variant(
    belle_variant variant, belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  if (from == to) {
    memcpy(target, source, count * (size_t)formats[from].bytes);
    return 0;
  }
  convert_function function = convert_for(variant, from, to);
  return function ? function(source, target, count) : convert_scalar(from, to, source, target, count);
}

size_t belle_convert(belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  // Asking the processor costs some nanoseconds, and a call converts thousands of elements: nothing is kept.
  return belle_convert_variant(belle_best_variant(), from, to, source, target, count);
}
