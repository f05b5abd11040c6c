// Elimination and coordinate descent where rows are coupled: the dependent parts, one row after the other within a column,
// or one column after the other within a row. Mathematics: Documentation/gptq.md, "Guided".
//
// Every value is decided after all that it depends on, so there is one long chain of them; the lanes are for what each
// decision does to the values after it.
#include "belle_two_sided.h"

#include "lanes.h"

// MARK: Elimination

enum { MOST_LANES = 512, MOST_COLUMNS = 256 };

/// The feedback of the columns of a block before column i, and of all before the block, for all lanes: Σ_j e_j U_ji / U_ii.
LANES_INLINE void two_sided_feedback(const belle_two_sided_block_work *b, size_t i, float *feedback) {
  const float *u = b->factor + i * b->columns;
  const lanes diagonal = lanes_all(u[i]);
  for (size_t lane = 0; lane < b->lanes; lane += LANES) {
    lanes sum = lanes_load(b->products + i * b->stride + lane);
    for (size_t j = 0; j < i; j++) sum = lanes_fma(lanes_load(b->weights + j * b->stride + lane), lanes_all(u[j]), sum);
    lanes_store(feedback + lane, sum / diagonal);
  }
}

LANES_INLINE void two_sided_block_lanes(const belle_two_sided_block_work *b) {
  float feedback[MOST_LANES], rows[MOST_LANES];
  for (size_t i = 0; i < b->columns; i++) {
    two_sided_feedback(b, i, feedback);
    memcpy(rows, b->row_products + i * b->stride, b->lanes * sizeof(float));
    const float diagonal = b->factor[i * b->columns + i];
    const size_t grid = b->groups[i] * b->grid_stride;
    for (size_t r = 0; r < b->lanes; r++) {
      float *w = b->weights + i * b->stride + r;
      const float scale = b->scales[grid + r], zero = b->zeros[grid + r], minimum = b->minimums[grid + r];
      const float target = *w + feedback[r] + rows[r];
      const float q = fminf(fmaxf(__builtin_rintf((target - minimum) / scale) + zero, 0), b->max_integer);
      const float value = __builtin_fmaf(scale, q - zero, minimum);
      const float residual = (target - value) * diagonal * b->row_diagonal[r];
      const float error = *w - value;
      b->losses[r] = __builtin_fmaf(residual, residual, b->losses[r]);
      b->integers[i * b->stride + r] = (uint8_t)q;
      *w = error;
      const float total = feedback[r] + error;
      b->totals[i * b->total_stride + r] = total;
      // From the register of this lane on: what is added to lanes that are done is of no use any more.
      const lanes factor = lanes_all(total);
      const float *v = b->row_factor + r * b->row_stride;
      for (size_t k = r / LANES * LANES; k < b->lanes; k += LANES)
        lanes_store(rows + k, lanes_fma(lanes_load(v + k), factor, lanes_load(rows + k)));
    }
  }
}

LANES_ALL_VARIANTS(void, two_sided_block, (const belle_two_sided_block_work *work), (work))

void belle_two_sided_block(belle_variant variant, const belle_two_sided_block_work *work) {
  LANES_DISPATCH(variant, two_sided_block, work);
}

// MARK: Coordinate descent

/// One row's part of a block.
typedef struct {
  float *gradient, *errors, *moved;
  /// By how much (E·H) of the row fell, over the block's columns.
  float *fall;
  uint8_t *integers;
  float *scales, *minimums;
  const float *zeros;
} two_sided_row;

/// Takes a step: E fell by `step` · direction, of which the product with H is given.
LANES_INLINE void two_sided_fall(const two_sided_row *row, const float *product, float step, size_t columns) {
  const lanes factor = lanes_all(step);
  for (size_t j = 0; j < columns; j += LANES) {
    const lanes change = lanes_load_some(product + j, columns - j) * factor;
    lanes_store_some(row->gradient + j, lanes_load_some(row->gradient + j, columns - j) - change, columns - j);
    lanes_store_some(row->fall + j, lanes_load_some(row->fall + j, columns - j) + change, columns - j);
  }
}

/// Moves the integers of a row; by how much its part of the objective fell.
LANES_INLINE double two_sided_integers(const belle_two_sided_sweep_work *b, const two_sided_row *row) {
  double gain = 0;
  for (size_t k = 0; k < b->columns; k++) {
    const size_t i = b->order[k];
    const float diagonal = b->hessian[i * b->columns + i], scale = row->scales[b->groups[i]];
    const float gradient = row->gradient[i];
    // Half of a step is what rounding leaves.
    if (!(fabsf(gradient) > 0.49f * fabsf(diagonal * scale))) continue;
    const float before = (float)row->integers[i];
    const float after = fminf(fmaxf(__builtin_rintf(before + gradient / (diagonal * scale)), 0), b->max_integer);
    const float step = scale * (after - before);
    const float fall = step * (2 * gradient - step * diagonal);
    if (!(fall > 0)) continue;
    gain += fall;
    row->integers[i] = (uint8_t)after;
    row->errors[i] -= step;
    row->moved[i] += step;
    two_sided_fall(row, b->hessian + i * b->columns, step, b->columns);
  }
  return gain;
}

/// The nearest of the numbers that a scale or a minimum of a row may be.
LANES_INLINE float two_sided_storable(
    const belle_two_sided_sweep_work *b, size_t row, size_t group, float x, bool is_scale) {
  if (b->half) return round_half(x);
  if (!b->scale_units) return x;
  const float *units = is_scale ? b->scale_units : b->minimum_units;
  const float unit = units[row * b->unit_stride + group / b->super_groups];
  if (unit == 0) return 0;
  const float multiple = __builtin_rintf((is_scale ? x : -x) / unit) + 0.0f;
  if (is_scale) return unit * fminf(fmaxf(multiple, b->least_multiple), b->most_multiple);
  return -unit * fminf(fmaxf(multiple, 0), b->most_minimum);
}

/// Moves the scale or the minimum of a row's group to its optimum; by how much its part of the objective fell.
LANES_INLINE double two_sided_refit(
    const belle_two_sided_sweep_work *b, size_t number, const two_sided_row *row, size_t from, size_t to, bool is_scale) {
  float direction[MOST_COLUMNS], product[MOST_COLUMNS];
  const size_t group = b->groups[from];
  for (size_t i = from; i < to; i++) direction[i] = is_scale ? (float)row->integers[i] - row->zeros[group] : 1;
  for (size_t j = 0; j < b->columns; j += LANES) {
    lanes sum = lanes_all(0.0f);
    for (size_t i = from; i < to; i++)
      sum = lanes_fma(lanes_load_some(b->hessian + i * b->columns + j, b->columns - j), lanes_all(direction[i]), sum);
    lanes_store_some(product + j, sum, b->columns - j);
  }
  lanes slopes = lanes_all(0.0f), curvatures = lanes_all(0.0f);
  for (size_t j = from; j < to; j += LANES) {
    const lanes x = lanes_load_some(direction + j, to - j);
    slopes = lanes_fma(x, lanes_load_some(row->gradient + j, to - j), slopes);
    curvatures = lanes_fma(x, lanes_load_some(product + j, to - j), curvatures);
  }
  const float slope = lanes_sum(slopes), curvature = lanes_sum(curvatures);
  float *parameter = (is_scale ? row->scales : row->minimums) + group;
  const float wanted = two_sided_storable(b, number, group, *parameter + slope / fmaxf(curvature, 1e-30f), is_scale);
  const float step = wanted - *parameter;
  const float fall = step * (2 * slope - step * curvature);
  const bool fits = !is_scale || (b->negative_scales ? fabsf(wanted) : wanted) >= b->smallest_scale;
  if (!(fall > 0 && fits)) return 0;
  *parameter = wanted;
  for (size_t i = from; i < to; i++) {
    row->errors[i] -= step * direction[i];
    row->moved[i] += step * direction[i];
  }
  two_sided_fall(row, product, step, b->columns);
  return fall;
}

LANES_INLINE void two_sided_sweep_lanes(belle_two_sided_sweep_work *b) {
  for (size_t r = 0; r < b->rows; r++) {
    float fall[MOST_COLUMNS];
    memset(fall, 0, b->columns * sizeof(float));
    const two_sided_row row = {
        b->gradients + r * b->columns,
        b->errors + r * b->error_stride,
        b->moved + r * b->moved_stride,
        fall,
        b->integers + r * b->integer_stride,
        b->scales + r * b->grid_stride,
        b->minimums + r * b->grid_stride,
        b->zeros + r * b->grid_stride,
    };
    double gain = b->moves_integers ? two_sided_integers(b, &row) : 0;
    for (size_t from = 0, to = 0; b->refits && from < b->columns; from = to) {
      for (to = from + 1; to < b->columns && b->groups[to] == b->groups[from];) to++;
      gain += two_sided_refit(b, r, &row, from, to, true);
      if (b->has_minimums) gain += two_sided_refit(b, r, &row, from, to, false);
    }
    if (gain == 0) continue;
    b->gain += gain * b->weights[r];
    float *products = b->products + r * b->product_stride;
    for (size_t j = 0; j < b->columns; j += LANES) {
      const size_t left = b->columns - j;
      lanes_store_some(products + j, lanes_load_some(products + j, left) - lanes_load_some(fall + j, left), left);
    }
    for (size_t k = r + 1; k < b->rows; k++) {
      const lanes factor = lanes_all(-b->coupling[k * b->rows + r]);
      float *gradient = b->gradients + k * b->columns;
      for (size_t j = 0; j < b->columns; j += LANES) {
        const size_t left = b->columns - j;
        const lanes sum = lanes_fma(lanes_load_some(fall + j, left), factor, lanes_load_some(gradient + j, left));
        lanes_store_some(gradient + j, sum, left);
      }
    }
  }
}

LANES_ALL_VARIANTS(void, two_sided_sweep, (belle_two_sided_sweep_work *work), (work))

void belle_two_sided_sweep(belle_variant variant, belle_two_sided_sweep_work *work) {
  LANES_DISPATCH(variant, two_sided_sweep, work);
}
