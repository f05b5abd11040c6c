// One block of a sweep of coordinate descent: every integer goes to its optimum given all others, then every scale (and
// minimum) of the block's groups to its own. No step raises the objective tr(E·H·Eᵀ): each is taken at its exact optimum,
// rounded to what can be stored, and refused where the rounding eats the gain. Mathematics: Documentation/gptq.md.
#include "lanes.h"

// Notation: E = W − Ŵ; G = (E·H) of a column = outside + Σ_{j in block} H_ij E_j. Changing E_i by −δ changes the
// objective by −(2δG − δ²H_ii); changing a whole group by −δ·b changes it by −(2δ b·G − δ² b·Hb).

static float sweep_gradient_scalar(const belle_sweep_block_work *b, size_t i, size_t lane) {
  float sum = b->left[i * b->stride + lane] + b->right[i * b->stride + lane];
  for (size_t j = 0; j < b->columns; j++) {
    sum = fmaf(b->errors[j * b->stride + lane], b->hessian[i * b->columns + j], sum);
  }
  return sum;
}

/// The nearest of the numbers that a scale or a minimum may be.
static float sweep_storable_scalar(const belle_sweep_block_work *b, size_t group, size_t lane, float x, bool is_scale) {
  if (b->half) return round_half(x);
  if (!b->scale_units) return x;
  const float unit = (is_scale ? b->scale_units : b->minimum_units)[group / b->super_groups * b->grid_stride + lane];
  if (!(unit > 0)) return 0;
  const float multiple = rintf((is_scale ? x : -x) / unit);
  return (is_scale ? unit : -unit) * fminf(fmaxf(multiple, is_scale ? 1 : 0), 63);
}

/// Moves a scale or a minimum by the step that minimizes the objective along `direction`.
static void sweep_refit_scalar(const belle_sweep_block_work *b, size_t from, size_t to, size_t lane, bool is_scale) {
  const size_t g = b->groups[from] * b->grid_stride + lane;
  float slope = 0, curvature = 0;
  for (size_t i = from; i < to; i++) {
    const float x = is_scale ? (float)b->integers[i * b->stride + lane] - b->zeros[g] : 1;
    float product = 0;
    for (size_t j = from; j < to; j++) {
      const float y = is_scale ? (float)b->integers[j * b->stride + lane] - b->zeros[g] : 1;
      product = fmaf(y, b->hessian[i * b->columns + j], product);
    }
    slope = fmaf(x, sweep_gradient_scalar(b, i, lane), slope);
    curvature = fmaf(x, product, curvature);
  }
  float *parameter = (is_scale ? b->scales : b->minimums) + g;
  float wanted = *parameter + slope / fmaxf(curvature, 1e-30f);
  wanted = sweep_storable_scalar(b, b->groups[from], lane, wanted, is_scale);
  const float step = wanted - *parameter;
  const float gain = step * (2 * slope - step * curvature);
  const bool fits = !is_scale || (b->negative_scales ? fabsf(wanted) : wanted) >= b->smallest_scale;
  if (!(gain > 0 && fits)) return;
  *parameter = wanted;
  b->gains[lane] += gain;
  for (size_t i = from; i < to; i++) {
    const float x = is_scale ? (float)b->integers[i * b->stride + lane] - b->zeros[g] : 1;
    float *error = b->errors + i * b->stride + lane;
    *error = fmaf(-step, x, *error);
  }
}

static void sweep_block_scalar(const belle_sweep_block_work *b) {
  for (size_t lane = 0; lane < b->lanes; lane++) {
    for (size_t k = 0; b->moves_integers && k < b->columns; k++) {
      const size_t i = b->order[k];
      const float gradient = sweep_gradient_scalar(b, i, lane);
      const float diagonal = b->hessian[i * b->columns + i];
      const size_t g = b->groups[i] * b->grid_stride + lane;
      const float scale = b->scales[g];
      const float before = (float)b->integers[i * b->stride + lane];
      const float after = fminf(fmaxf(rintf(before + gradient / (diagonal * scale)), 0), b->max_integer);
      const float step = scale * (after - before);
      const float gain = step * (2 * gradient - step * diagonal);
      if (!(gain > 0)) continue;
      b->gains[lane] += gain;
      b->errors[i * b->stride + lane] -= step;
      b->integers[i * b->stride + lane] = (uint8_t)after;
    }
    for (size_t from = 0, to = 0; b->refits && from < b->columns; from = to) {
      for (to = from + 1; to < b->columns && b->groups[to] == b->groups[from];) to++;
      sweep_refit_scalar(b, from, to, lane, true);
      if (b->has_minimums) sweep_refit_scalar(b, from, to, lane, false);
    }
  }
}

/// G of column i for `width` vectors of rows.
LANES_INLINE void sweep_gradient(
    const belle_sweep_block_work *b, size_t i, size_t lane, const size_t width, lanes *sum) {
  const size_t at = i * b->stride + lane;
  for (size_t v = 0; v < width; v++) sum[v] = lanes_load(b->left + at + v * LANES) + lanes_load(b->right + at + v * LANES);
  const float *h = b->hessian + i * b->columns;
  const float *e = b->errors + lane;
  for (size_t j = 0; j < b->columns; j++, e += b->stride) {
    const lanes factor = lanes_all(h[j]);
    for (size_t v = 0; v < width; v++) sum[v] = lanes_fma(lanes_load(e + v * LANES), factor, sum[v]);
  }
}

LANES_INLINE lanes sweep_storable(const belle_sweep_block_work *b, size_t group, size_t lane, lanes x, bool is_scale) {
  if (b->half) return lanes_round_half(x);
  if (!b->scale_units) return x;
  const lanes none = lanes_all(0);
  const lanes unit =
      lanes_load((is_scale ? b->scale_units : b->minimum_units) + group / b->super_groups * b->grid_stride + lane);
  const lanes multiple = lanes_round((is_scale ? x : -x) / lanes_choose(unit > 0, unit, lanes_all(1)));
  const lanes stored = (is_scale ? unit : -unit) * lanes_clamp(multiple, lanes_all(is_scale ? 1 : 0), lanes_all(63));
  return lanes_choose(unit > 0, stored, none);
}

LANES_INLINE void sweep_refit(
    const belle_sweep_block_work *b, size_t from, size_t to, size_t lane, const size_t width, bool is_scale) {
  const size_t g = b->groups[from] * b->grid_stride + lane;
  // b − zero of every column of the group, from which direction and H·direction are made; at most 256 columns.
  float direction[256 * 4 * LANES];
  lanes slope[4], curvature[4];
  for (size_t v = 0; v < width; v++) {
    slope[v] = curvature[v] = lanes_all(0);
    const lanes zero = lanes_load(b->zeros + g + v * LANES);
    for (size_t i = from; i < to; i++) {
      const lanes q = lanes_load_bytes(b->integers + i * b->stride + lane + v * LANES);
      lanes_store(direction + ((i - from) * width + v) * LANES, is_scale ? q - zero : lanes_all(1));
    }
  }
  for (size_t i = from; i < to; i++) {
    lanes gradient[4], product[4];
    sweep_gradient(b, i, lane, width, gradient);
    for (size_t v = 0; v < width; v++) product[v] = lanes_all(0);
    const float *h = b->hessian + i * b->columns;
    for (size_t j = from; j < to; j++) {
      const lanes factor = lanes_all(h[j]);
      for (size_t v = 0; v < width; v++) {
        product[v] = lanes_fma(lanes_load(direction + ((j - from) * width + v) * LANES), factor, product[v]);
      }
    }
    for (size_t v = 0; v < width; v++) {
      const lanes x = lanes_load(direction + ((i - from) * width + v) * LANES);
      slope[v] = lanes_fma(x, gradient[v], slope[v]);
      curvature[v] = lanes_fma(x, product[v], curvature[v]);
    }
  }
  for (size_t v = 0; v < width; v++) {
    float *parameter = (is_scale ? b->scales : b->minimums) + g + v * LANES;
    const lanes present = lanes_load(parameter);
    lanes wanted = present + slope[v] / __builtin_elementwise_max(curvature[v], lanes_all(1e-30f));
    wanted = sweep_storable(b, b->groups[from], lane + v * LANES, wanted, is_scale);
    const lanes step = wanted - present;
    const lanes gain = step * (2 * slope[v] - step * curvature[v]);
    lanes_mask taken = gain > 0;
    if (is_scale) taken &= (b->negative_scales ? lanes_abs(wanted) : wanted) >= lanes_all(b->smallest_scale);
    const lanes moved = lanes_choose(taken, step, lanes_all(0));
    lanes_store(parameter, lanes_choose(taken, wanted, present));
    float *gains = b->gains + lane + v * LANES;
    lanes_store(gains, lanes_load(gains) + lanes_choose(taken, gain, lanes_all(0)));
    for (size_t i = from; i < to; i++) {
      float *error = b->errors + i * b->stride + lane + v * LANES;
      const lanes x = lanes_load(direction + ((i - from) * width + v) * LANES);
      lanes_store(error, lanes_fma(-moved, x, lanes_load(error)));
    }
  }
}

LANES_INLINE void sweep_rows(const belle_sweep_block_work *b, size_t lane, const size_t width) {
  const lanes none = lanes_all(0), top = lanes_all(b->max_integer);
  for (size_t k = 0; b->moves_integers && k < b->columns; k++) {
    const size_t i = b->order[k];
    const lanes diagonal = lanes_all(b->hessian[i * b->columns + i]);
    lanes gradient[4];
    sweep_gradient(b, i, lane, width, gradient);
    for (size_t v = 0; v < width; v++) {
      const size_t at = i * b->stride + lane + v * LANES;
      const lanes scale = lanes_load(b->scales + b->groups[i] * b->grid_stride + lane + v * LANES);
      const lanes before = lanes_load_bytes(b->integers + at);
      const lanes after = lanes_clamp(lanes_round(before + gradient[v] / (diagonal * scale)), none, top);
      const lanes step = scale * (after - before);
      const lanes gain = step * (2 * gradient[v] - step * diagonal);
      const lanes_mask taken = gain > 0;
      float *gains = b->gains + lane + v * LANES;
      lanes_store(gains, lanes_load(gains) + lanes_choose(taken, gain, none));
      lanes_store(b->errors + at, lanes_load(b->errors + at) - lanes_choose(taken, step, none));
      lanes_store_bytes(b->integers + at, lanes_choose(taken, after, before));
    }
  }
  for (size_t from = 0, to = 0; b->refits && from < b->columns; from = to) {
    for (to = from + 1; to < b->columns && b->groups[to] == b->groups[from];) to++;
    sweep_refit(b, from, to, lane, width, true);
    if (b->has_minimums) sweep_refit(b, from, to, lane, width, false);
  }
}

LANES_INLINE void sweep_block_lanes(const belle_sweep_block_work *b) {
  size_t lane = 0;
  for (; lane + 4 * LANES <= b->lanes; lane += 4 * LANES) sweep_rows(b, lane, 4);
  for (; lane < b->lanes; lane += LANES) sweep_rows(b, lane, 1);
}

LANES_VARIANTS(sweep_block, belle_sweep_block_work)

void belle_sweep_block(belle_variant variant, const belle_sweep_block_work *work) {
  LANES_DISPATCH(variant, sweep_block, work);
}
