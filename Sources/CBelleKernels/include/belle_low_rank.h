// A product of low rank, added to a matrix: what an adapter does to a weight.
#ifndef BELLE_LOW_RANK_H
#define BELLE_LOW_RANK_H

#include <stddef.h>

#include "belle_variants.h"

/// Columns of a panel.
#define BELLE_LOW_RANK_PANEL 32

/// Sums of squares in eight parts: column i of a row belongs to part i mod 8; columns are taken by sixteen, each with all
/// rows. All zero is the beginning.
typedef struct {
  double weights[8];  // of the matrix as it was
  double deltas[8];   // of what was added
} belle_low_rank_squares;

/// target[r, i] += scale · Σ_k left[r, k] · right[k, i], summed in the order of k, fused.
///
/// - left: `rows` × `rank`, row-major.
/// - panels: `right` by panels of BELLE_LOW_RANK_PANEL columns, each `rank` rows of them; the last one padded with zeros.
/// - target: `rows` × `columns`, row-major.
void belle_low_rank_add(
    belle_variant variant, const double *left, size_t rows, size_t rank, const double *panels, size_t columns,
    double scale, double *target, belle_low_rank_squares *squares);

#endif
