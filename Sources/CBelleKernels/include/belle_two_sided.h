// The dependent parts of quantization with a factor on both sides, tr(H_O·E·H_I·Eᵀ): rows are not independent.
// Mathematics: Documentation/gptq.md, "Guided".
#ifndef BELLE_TWO_SIDED_H
#define BELLE_TWO_SIDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// Quantizes the columns of one block of a strip in order, the rows of each column in order, with feedback of both sides.
/// Rows lie across the lanes, columns down, as in belle_gptq.h.
typedef struct {
  size_t columns, lanes, stride, grid_stride;  ///< at most 128 columns and 512 lanes, these a multiple of 16.
  const float *factor;        ///< `[columns, columns]`: element i·columns + j is U_ji, j ≤ i, of the inputs.
  float *weights;             ///< w before, e = w − ŵ after.
  const float *products;      ///< Σ e_j U_ji over the columns before the block.
  const float *row_products;  ///< `[columns, stride]`: Σ_k V_kr·t_ki over the rows k before the strip.
  const float *row_factor;    ///< element k·row_stride + r is V_kr = U_kr / U_rr of the outputs, for rows k < r of the strip.
  size_t row_stride;
  const float *row_diagonal;  ///< U_rr of the outputs, for each lane.
  float *totals;              ///< `[columns, total_stride]`, written: t = e + Σ_{j<i} e_j U_ji / U_ii.
  size_t total_stride;
  const uint32_t *groups;     ///< for each column its group.
  const float *scales, *zeros, *minimums;
  uint8_t *integers;          ///< `[columns, stride]`, written.
  float *losses;              ///< for each lane; Σ ((w' − ŵ)·U_ii·U_rr)² is added.
  float max_integer;
} belle_two_sided_block_work;

void belle_two_sided_block(belle_variant variant, const belle_two_sided_block_work *work);

/// Moves the integers of one block of columns of a strip to their optimum, row after row, and then each row's scales and
/// minimums of the block's groups. Rows are rows here.
///
/// Of row r, G = Σ_k (H_rk / H_rr)·(E·H)_k over all rows k is what its steps go by: the step of a column is G_i / H_ii.
typedef struct {
  size_t rows, columns;    ///< at most 256 columns.
  const float *hessian;    ///< `[columns, columns]` of the inputs, symmetric, with its diagonal.
  const float *coupling;   ///< `[rows, rows]`: H_rk / H_rr of the outputs.
  const float *weights;    ///< H_rr of the outputs, for each row.
  float *gradients;        ///< `[rows, columns]`: G; its contents are lost.
  float *products;         ///< `[rows, product_stride]`: (E·H)_k, kept in step for the block's own columns.
  float *errors;           ///< `[rows, error_stride]`: E = w − ŵ, kept in step.
  float *moved;            ///< `[rows, moved_stride]`: by how much E fell is added.
  uint8_t *integers;       ///< `[rows, integer_stride]`
  size_t product_stride, error_stride, moved_stride, integer_stride;
  const uint32_t *order;   ///< the columns of the block, in the order of their turns.
  const uint32_t *groups;  ///< for each column its group; a group lies in one piece, in this block where scales move.
  float *scales, *minimums;  ///< `[rows, grid_stride]`
  const float *zeros;
  size_t grid_stride;
  double gain;  ///< by how much the objective fell is added.
  float max_integer, smallest_scale;
  bool moves_integers, refits, has_minimums, half, negative_scales;
  const float *scale_units, *minimum_units;  ///< `[rows, unit_stride]`, or NULL: as in belle_sweep_block_work.
  size_t unit_stride, super_groups;
  float least_multiple, most_multiple, most_minimum;
} belle_two_sided_sweep_work;

void belle_two_sided_sweep(belle_variant variant, belle_two_sided_sweep_work *work);

#endif
