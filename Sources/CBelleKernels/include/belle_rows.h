// Products with rows of numbers that are stored as they come: weights, keys and values of a cache.
#ifndef BELLE_ROWS_H
#define BELLE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "belle_convert.h"
#include "belle_variants.h"

/// y[r] = Σ weight[r, i] · x[i] for `rows` rows of `columns` numbers, `stride` elements apart; BELLE_F32, BELLE_F16 or
/// BELLE_BF16. Element i belongs to chain i mod 64; the chains are added as a tree.
void belle_rows_multiply(
    belle_variant variant, belle_float kind, const void *weights, size_t stride, size_t rows, size_t columns,
    const float *x, float *y);

/// out[i] = Σ factors[r] · values[r, i] for 0 <= i < columns, rows in order, fused.
void belle_rows_combine(
    belle_variant variant, const float *values, size_t stride, size_t rows, size_t columns, const float *factors,
    float *out);

#endif
