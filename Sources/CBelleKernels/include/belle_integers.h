// The integers of quantized weights: packed into words, and back to the values that they stand for.
#ifndef BELLE_INTEGERS_H
#define BELLE_INTEGERS_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// Packs integers `[rows, stride]` of `bits` bits along the columns: words `[ceil(columns·bits/32), rows]`, each row's
/// integers as one little-endian stream of bits. Rows `from_row ..< to_row` only.
void belle_pack_inputs(
    const uint8_t *integers, size_t stride, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits,
    uint32_t *words);

/// The way back.
void belle_unpack_inputs(
    const uint32_t *words, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits,
    uint8_t *integers, size_t stride);

/// The values of rows of integers: scale · (q − zero) + minimum.
typedef struct {
  size_t rows, columns, groups, group_size;
  const uint8_t *integers;       ///< `[rows, columns]`
  const float *scales, *zeros;   ///< `[rows, groups]`
  const float *minimums;         ///< the same, or NULL for 0.
  const int32_t *group_index;    ///< the group of each column, or NULL: column / group_size.
  float *values;                 ///< `[rows, value_stride]`; `columns` of a row are written.
  size_t value_stride;
} belle_values_work;

void belle_values(belle_variant variant, const belle_values_work *work);

#endif
