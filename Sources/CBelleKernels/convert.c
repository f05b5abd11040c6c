// Conversion between double, float, half and bfloat16, rounding once, to nearest even (IEEE 754-2019, 4.3.1 and 5.4.2).
//
// A NaN keeps its sign and as many upper bits of its payload as fit, and comes out quiet: what the processor's own
// conversions do. (PyTorch does the same for half and float; to bfloat16 it makes every NaN 0x7FC0.) Subnormal numbers
// are rounded like all others, which is why AVX512_BF16's VCVTNEPS2BF16 is of no use here: it takes them for zeros.
//
// The vectors go through float. Widening to float is exact, so what follows rounds once. Double to half or bfloat16
// would round twice; there the way to float rounds to odd (truncates, and sets the last bit where something was cut
// off), after which rounding to nearest is as if it were done at once, because float has at least two bits more than
// either. (S. Boldo, G. Melquiond: When double rounding is odd, 2005.)
#include "belle_convert.h"

#include "lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// MARK: The scalar variant: integers only, any format to any other

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

// MARK: Sixteen elements at a time

// From these magnitudes on, rounding to nearest gives infinity: the greatest number and half of its last place.
#define HALF_LIMIT 65520.0f         // (2 - 2^-11) * 2^15
#define BFLOAT_LIMIT 0x7F7F8000     // (2 - 2^-8) * 2^127, as a float's bits
#define FLOAT_LIMIT 0x1.ffffffp127  // (2 - 2^-24) * 2^127

LANES_INLINE lanes load_bf16(const uint8_t *at) {
  const lanes_words bits = __builtin_convertvector(lanes_load_shorts(at), lanes_words) << 16;
  const lanes_mask nan = (lanes)bits != (lanes)bits;
  return (lanes)(bits | (lanes_words)(nan & 0x00400000));
}

// Eight doubles, and as many floats and masks: half of the lanes.
typedef float half_floats __attribute__((vector_size(32)));
typedef int32_t half_mask __attribute__((vector_size(32)));

// Doubles to floats, rounded to odd: to nearest first, one place back towards zero where that went away from it, and
// the last bit set where the result is not exact. The float after the greatest one is infinity, so that this takes what
// went to infinity back too.
LANES_INLINE half_floats load_half_odd(const uint8_t *at) {
  const lanes_doubles value = lanes_load_doubles(at);
  const half_floats near = __builtin_convertvector(value, half_floats);
  const lanes_doubles back = __builtin_convertvector(near, lanes_doubles);
  const half_mask away = __builtin_convertvector(lanes_abs_doubles(back) > lanes_abs_doubles(value), half_mask);
  // A NaN is not equal to itself, and nothing was cut off it that would have to show.
  const half_mask inexact = __builtin_convertvector((back < value) | (back > value), half_mask);
  return (half_floats)(((half_mask)near + away) | (inexact & 1));  // a mask is -1
}

LANES_INLINE lanes load_f64_odd(const uint8_t *at) {
  const half_floats low = load_half_odd(at), high = load_half_odd(at + 64);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

LANES_INLINE void store_f64(uint8_t *at, lanes value) {
  const half_floats low = __builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7);
  const half_floats high = __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15);
  lanes_store_doubles(at, __builtin_convertvector(low, lanes_doubles));
  lanes_store_doubles(at + 64, __builtin_convertvector(high, lanes_doubles));
}

LANES_INLINE lanes load_as_float(const belle_float kind, const uint8_t *at) {
  switch (kind) {
    case BELLE_F64: return load_f64_odd(at);
    case BELLE_F16: return lanes_load_f16(at);
    case BELLE_BF16: return load_bf16(at);
    default: return lanes_load(at);
  }
}

/// Returns the finite ones among floats whose magnitude is at least a limit, given as bits.
LANES_INLINE lanes_mask is_beyond(lanes value, uint32_t limit) {
  const lanes_words beyond = (lanes_words)lanes_abs(value) - limit;
  return beyond < 0x7F800000 - limit;
}

/// Returns which ones overflowed, as all functions from here on.
LANES_INLINE lanes_mask store_bf16(uint8_t *at, lanes value) {
  const lanes_words bits = (lanes_words)value;
  const lanes_words rounded = bits + ((bits >> 16 & 1) + 0x7FFF);
  const lanes result = lanes_choose(value != value, (lanes)(bits | 0x00400000), (lanes)rounded);
  const lanes_shorts upper = __builtin_convertvector((lanes_words)result >> 16, lanes_shorts);
  memcpy(at, &upper, sizeof upper);
  return is_beyond(value, BFLOAT_LIMIT);
}

LANES_INLINE lanes_mask store_float(const belle_float kind, uint8_t *at, lanes value) {
  switch (kind) {
    case BELLE_F64: store_f64(at, value); return (lanes_mask){0};
    case BELLE_F16: lanes_store_f16(at, value); return is_beyond(value, bits_of(HALF_LIMIT));
    case BELLE_BF16: return store_bf16(at, value);
    default: lanes_store(at, value); return (lanes_mask){0};
  }
}

/// By address: what calls it may be of one instruction set only.
LANES_INLINE void store_counting(const belle_float kind, uint8_t *at, const void *floats, lanes_mask *overflows) {
  *overflows -= store_float(kind, at, lanes_load(floats));
}

// No more than lanes can count overflows of: PIECE elements at once.
LANES_INLINE size_t convert_kinds(
    const belle_float from, const belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  const size_t in = (size_t)formats[from].bytes, out = (size_t)formats[to].bytes;
  lanes_mask overflows = {0};
  size_t i = 0, sum = 0;
  for (; i + LANES <= count; i += LANES) {
    overflows -= store_float(to, target + i * out, load_as_float(from, source + i * in));
  }
  for (size_t lane = 0; lane < LANES; lane++) sum += (size_t)overflows[lane];
  return sum + convert_scalar(from, to, source + i * in, target + i * out, count - i);
}

LANES_INLINE size_t convert_f64_f32(const uint8_t *source, uint8_t *target, size_t count) {
  size_t i = 0, overflows = 0;
  for (; i + 8 <= count; i += 8) {
    const lanes_doubles value = lanes_load_doubles(source + 8 * i), size = lanes_abs_doubles(value);
    const half_floats rounded = __builtin_convertvector(value, half_floats);
    memcpy(target + 4 * i, &rounded, sizeof rounded);
    overflows += lanes_count_doubles((size >= FLOAT_LIMIT) & (size < (double)INFINITY));
  }
  return overflows + convert_scalar(BELLE_F64, BELLE_F32, source + 8 * i, target + 4 * i, count - i);
}

#define PAIR(from, to) \
  case 4 * from + to: return convert_kinds(from, to, source, target, count)

LANES_INLINE size_t convert_lanes(
    belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  switch (4 * from + to) {
    case 4 * BELLE_F64 + BELLE_F32: return convert_f64_f32(source, target, count);
    PAIR(BELLE_F64, BELLE_F16);
    PAIR(BELLE_F64, BELLE_BF16);
    PAIR(BELLE_F32, BELLE_F64);
    PAIR(BELLE_F32, BELLE_F16);
    PAIR(BELLE_F32, BELLE_BF16);
    PAIR(BELLE_F16, BELLE_F64);
    PAIR(BELLE_F16, BELLE_F32);
    PAIR(BELLE_F16, BELLE_BF16);
    PAIR(BELLE_BF16, BELLE_F64);
    PAIR(BELLE_BF16, BELLE_F32);
    PAIR(BELLE_BF16, BELLE_F16);
    default: return 0;  // equal kinds are copied
  }
}

LANES_VARIANTS(
    size_t, convert, (belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count),
    (from, to, source, target, count))

#if defined(__x86_64__)
// Eight doubles to floats, rounded to odd in half of load_f64_odd's steps: AVX-512 can round towards zero, which no
// expression of the language asks for.
LANES_AVX512 static inline __m256i odd_avx512(const uint8_t *at) {
  const __m512d value = _mm512_loadu_pd(at);
  const __m256 cut = _mm512_cvt_roundpd_ps(value, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  const __mmask8 inexact = _mm512_cmp_pd_mask(value, _mm512_cvtps_pd(cut), _CMP_NEQ_OQ);
  const __m512i last = _mm512_maskz_set1_epi64(inexact, 1);
  return _mm256_or_si256(_mm256_castps_si256(cut), _mm512_cvtepi64_epi32(last));
}

LANES_AVX512 static size_t convert_f64_avx512(
    const belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  const size_t out = (size_t)formats[to].bytes;
  lanes_mask overflows = {0};
  size_t i = 0, sum = 0;
  for (; i + LANES <= count; i += LANES) {
    const __m512i low = _mm512_castsi256_si512(odd_avx512(source + 8 * i));
    const __m512i value = _mm512_inserti64x4(low, odd_avx512(source + 8 * i + 64), 1);
    store_counting(to, target + i * out, &value, &overflows);
  }
  for (size_t lane = 0; lane < LANES; lane++) sum += (size_t)overflows[lane];
  return sum + convert_scalar(BELLE_F64, to, source + 8 * i, target + i * out, count - i);
}
#endif

static size_t convert_piece(
    belle_variant variant, belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
#if defined(__x86_64__)
  if (variant == BELLE_AVX512 && from == BELLE_F64 && to == BELLE_F16)
    return convert_f64_avx512(BELLE_F16, source, target, count);
  if (variant == BELLE_AVX512 && from == BELLE_F64 && to == BELLE_BF16)
    return convert_f64_avx512(BELLE_BF16, source, target, count);
#endif
  LANES_DISPATCH(variant, convert, from, to, source, target, count);
}

size_t belle_convert(
    belle_variant variant, belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count) {
  const size_t in = (size_t)formats[from].bytes, out = (size_t)formats[to].bytes;
  if (from == to) {
    memcpy(target, source, count * in);
    return 0;
  }
  enum { PIECE = 1 << 30 };
  size_t overflows = 0;
  for (size_t i = 0; i < count; i += PIECE) {
    const size_t here = count - i < PIECE ? count - i : PIECE;
    overflows += convert_piece(variant, from, to, source + i * in, target + i * out, here);
  }
  return overflows;
}

// MARK: To float, bit by bit

/// Zeros past the end.
LANES_INLINE lanes_shorts load_some_shorts(const uint16_t *from, size_t count) {
  if (count >= LANES) return lanes_load_shorts(from);
  lanes_shorts value = {0};
  for (size_t i = 0; i < count; i++) value[i] = from[i];
  return value;
}

LANES_INLINE void f16_to_f32_lanes(float *out, const uint16_t *in, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const lanes_shorts halves = load_some_shorts(in + i, count - i);
    lanes_store_some(out + i, lanes_load_halves(&halves), count - i);
  }
}

LANES_INLINE void bf16_to_f32_lanes(float *out, const uint16_t *in, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const lanes_words bits = __builtin_convertvector(load_some_shorts(in + i, count - i), lanes_words);
    lanes_store_some(out + i, (lanes)(bits << 16), count - i);
  }
}

LANES_ALL_VARIANTS(void, f16_to_f32, (float *out, const uint16_t *in, size_t count), (out, in, count))
LANES_ALL_VARIANTS(void, bf16_to_f32, (float *out, const uint16_t *in, size_t count), (out, in, count))

void belle_f16_to_f32(belle_variant variant, float *out, const uint16_t *in, size_t count) {
  LANES_DISPATCH(variant, f16_to_f32, out, in, count);
}

void belle_bf16_to_f32(belle_variant variant, float *out, const uint16_t *in, size_t count) {
  LANES_DISPATCH(variant, bf16_to_f32, out, in, count);
}
