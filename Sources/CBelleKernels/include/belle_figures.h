// Figures of tensors: extremes, sums, counts of NaN and infinity; differences of two tensors.
#ifndef BELLE_FIGURES_H
#define BELLE_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "belle_convert.h"
#include "belle_variants.h"

/// Kinds of numbers whose values a double can hold; exactly, but for 64-bit integers beyond 2^53. Little-endian.
typedef enum {
  BELLE_NUMBER_F64 = BELLE_F64,
  BELLE_NUMBER_F32 = BELLE_F32,
  BELLE_NUMBER_F16 = BELLE_F16,
  BELLE_NUMBER_BF16 = BELLE_BF16,
  BELLE_NUMBER_I64 = 4,
  BELLE_NUMBER_U64 = 5,
  BELLE_NUMBER_I32 = 6,
  BELLE_NUMBER_U32 = 7,
  BELLE_NUMBER_I16 = 8,
  BELLE_NUMBER_U16 = 9,
  BELLE_NUMBER_I8 = 10,
  BELLE_NUMBER_U8 = 11,
} belle_number;

/// Bytes of one number of a kind.
size_t belle_number_size(belle_number kind);

/// Figures of numbers seen so far. Sums are kept in BELLE_LANES parts: element i of a tensor belongs to part i mod 16,
/// whatever pieces the tensor comes in, so that the same tensor gives the same sum to the last bit. All zero but
/// `minimum`, +infinity, and `maximum`, -infinity, is the beginning.
typedef struct {
  uint64_t count;
  uint64_t nans;
  uint64_t infinities;
  double minimum;  // of the finite ones, like all that follows
  double maximum;
  double sums[BELLE_LANES];
} belle_statistics;

/// Figures of the differences of pairs seen so far. All zero is the beginning.
///
/// Two NaNs do not differ, nor do two infinities of one sign; a NaN and a number differ by infinity.
typedef struct {
  uint64_t count;
  uint64_t different;               // pairs that differ
  double maximum;                   // the largest |x - y|
  double differences[BELLE_LANES];  // sums of (x - y)^2
  double squares[BELLE_LANES];      // sums of x^2, of the finite x
} belle_differences;

/// Takes the next `count` numbers of a kind.
void belle_statistics_add(
    belle_variant variant, belle_statistics *state, belle_number kind, const uint8_t *numbers, size_t count);

/// Takes the next `count` pairs; the two sides may be of different kinds.
void belle_differences_add(
    belle_variant variant, belle_differences *state, belle_number kind_x, const uint8_t *x, belle_number kind_y,
    const uint8_t *y, size_t count);

/// The sum of the parts, always added in the same order.
double belle_lanes_sum(const double *lanes);

#endif
