// What the solver does to the columns of a strip of weights. Mathematics: Documentation/gptq.md.
//
// Weights lie in strips: `[columns, stride]`, the rows of the layer across, so that a lane is a row.
// `lanes`, a multiple of 16, is how many of them are worked on. Grids lie as `[groups, grid_stride]` in the same way;
// the value of an integer q is scale · (q − zero) + minimum, and one of zero and minimum is 0.
#ifndef BELLE_GPTQ_H
#define BELLE_GPTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belle_levels.h"
#include "belle_variants.h"

/// Quantizes the columns of one block in order, with GPTQ's feedback.
typedef struct {
  size_t columns, lanes, stride, grid_stride;  ///< at most 128 columns.
  const float *factor;     ///< `[columns, columns]`: element i·columns + j is U_ji, j ≤ i.
  float *weights;          ///< w before, d = w − ŵ after.
  const float *products;   ///< Σ d_j U_ji over the columns before the block.
  const uint32_t *groups;  ///< for each column its group.
  const float *scales, *zeros, *minimums;
  uint8_t *integers;  ///< `[columns, stride]`, written.
  float *losses;      ///< for each lane; Σ ((w' − ŵ)·U_ii)² is added.
  float max_integer;  ///< 2^bits − 1.
  belle_levels levels;
} belle_gptq_block_work;

void belle_gptq_block(belle_variant variant, const belle_gptq_block_work *work);

/// Replaces products p by x with Σ_{j≤i} x_j U_ji = p_i for every column i of one block.
typedef struct {
  size_t columns, lanes, stride;  ///< at most 128 columns.
  const float *factor;            ///< as above.
  float *products;                ///< p before, x after.
} belle_solve_block_work;

void belle_solve_block(belle_variant variant, const belle_solve_block_work *work);

/// Moves every integer of a block to its optimum given all others, in the given order, and then every scale and
/// minimum.
typedef struct {
  size_t columns, lanes, stride, grid_stride;  ///< at most 256 columns.
  const float *hessian;                        ///< `[columns, columns]`, symmetric, with its diagonal.
  const float *left, *right;                   ///< Σ E_j H_ji over the columns before and after the block.
  float *errors;                               ///< E = w − ŵ, kept in step.
  const uint32_t *order;                       ///< the columns of the block, in the order of their turns.
  const uint32_t *groups;                      ///< for each column its group; a group lies in one piece, in this block.
  float *scales, *minimums;
  const float *zeros;
  uint8_t *integers;
  float *gains;  ///< for each lane; by how much the objective fell is added.
  float max_integer, smallest_scale;
  bool moves_integers, refits, has_minimums, half, negative_scales;
  /// `[groups / super_groups, grid_stride]`, or NULL: scales are least … most multiples of the one, but not 0, minimums
  /// 0 … −most_minimum of the other.
  const float *scale_units, *minimum_units;
  size_t super_groups;
  float least_multiple, most_multiple, most_minimum;
  belle_levels levels;
} belle_sweep_block_work;

void belle_sweep_block(belle_variant variant, const belle_sweep_block_work *work);

typedef enum {
  BELLE_GRID_SYMMETRIC = 0,   ///< zero = 2^(bits−1).
  BELLE_GRID_ZERO_POINT = 1,  ///< zero is a whole number.
  BELLE_GRID_MINIMUM = 2,     ///< zero is 0, the minimum is stored.
} belle_grid_form;

/// Finds the grid of one group for every lane.
typedef struct {
  size_t columns, lanes, stride;
  const float *values;          ///< `[columns, stride]`
  const float *column_weights;  ///< what each column's error counts, or NULL for 1.
  float *scales, *zeros, *minimums;
  belle_grid_form form;
  float max_integer, lowest_zero, smallest_scale;
  float norm;  ///< 0: the range as it is. Otherwise the power of the errors in the search.
  bool coarse; ///< search every fourth range first.
  bool half;   ///< scale and minimum are rounded to half precision before they are used.
  bool negative_scales;
  bool in_super_block;  ///< minimums are 0 at most, and a group of zeros has the smallest scale.
  belle_levels levels;  ///< a code book's only where the form is symmetric.
} belle_grid_work;

void belle_grid(belle_variant variant, const belle_grid_work *work);

/// Rounds the scales and minimums of the groups of one super-block to whole multiples of two half-precision units,
/// which are chosen here: GGUF's K blocks. Where multiples are of both signs there are no minimums, and zero is 2^(bits−1).
typedef struct {
  size_t columns, groups, lanes, stride, grid_stride;  ///< columns of one group; groups of the super-block.
  const float *values;             ///< `[groups · columns, stride]`
  const float *column_weights;     ///< what each column's error counts, or NULL for 1.
  float *scales, *minimums;        ///< `[groups, grid_stride]`, positive and not positive; rounded here.
  float *scale_unit, *minimum_unit;  ///< one for each lane, written.
  float max_integer;
  float least_multiple, most_multiple;  ///< of the unit of scales.
  float most_minimum;                   ///< of the unit of minimums; 0 where there are none.
  belle_levels levels;
} belle_super_grid_work;

void belle_super_grid(belle_variant variant, const belle_super_grid_work *work);

/// Rounds numbers to IEEE half precision, to even, with its largest number as the limit; what comes nearer to zero than
/// `smallest` becomes that.
void belle_round_halves(float *values, size_t count, float smallest);

/// directions[i, r] = q[i, r] − zeros[r], over `columns` columns of one group in a strip of `lanes` lanes.
void belle_strip_directions(
    const uint8_t *integers, size_t columns, size_t lanes, const float *zeros, float *directions);

/// Moves a group's scales and minimums and keeps its errors w − ŵ in step.
void belle_move_grid(
    float *errors, const uint8_t *integers, size_t columns, size_t lanes, const float *zeros, const float *old_scales,
    const float *old_minimums, const float *scales, const float *minimums);

#endif
