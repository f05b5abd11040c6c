// One block of a sweep of coordinate descent: every integer goes to its optimum given all others, then every scale (and
// minimum) of the block's groups to its own. No step raises the objective tr(E·H·Eᵀ): each is taken at its exact
// optimum, rounded to what can be stored, and refused where the rounding eats the gain. Mathematics:
// Documentation/gptq.md.
#include "belle_gptq.h"
#include "lanes.h"
#include "levels.h"

// Notation: E = W − Ŵ; G = (E·H) of a column = outside + Σ_{j in block} H_ij E_j. Changing E_i by −δ changes the
// objective by −(2δG − δ²H_ii); changing a whole group by −δ·b changes it by −(2δ b·G − δ² b·Hb), where
// b·G = b·outside + E·Hb: one product serves both.

enum { TILE = TILE_COLUMNS, WIDTH = TILE_WIDTH, LARGEST = 256 };

/// How many columns are a tile from turn `k` on. Their gradients are summed up together, before any of them moves; what
/// the moves of a tile's columns do to its later ones is added when they are made.
static size_t sweep_tile(const belle_sweep_block_work *b, size_t k) { return k + TILE <= b->columns ? TILE : 1; }

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
  if (unit == 0) return 0;
  // No negative zero, of which one variant's maximum with 0 makes a positive one and another's does not.
  const float multiple = rintf((is_scale ? x : -x) / unit) + 0.0f;
  if (is_scale) return unit * fminf(fmaxf(multiple, b->least_multiple), b->most_multiple);
  return -unit * fminf(fmaxf(multiple, 0), b->most_minimum);
}

/// Moves a scale or a minimum by the step that minimizes the objective along `direction`.
static void sweep_refit_scalar(const belle_sweep_block_work *b, size_t from, size_t to, size_t lane, bool is_scale) {
  const size_t g = b->groups[from] * b->grid_stride + lane;
  float slope = 0, curvature = 0;
  for (size_t j = 0; j < b->columns; j++) {
    const size_t at = j * b->stride + lane;
    float product = 0;
    for (size_t i = from; i < to; i++) {
      const float x = is_scale ? (float)b->integers[i * b->stride + lane] - b->zeros[g] : 1;
      product = fmaf(x, b->hessian[j * b->columns + i], product);
    }
    slope = fmaf(b->errors[at], product, slope);
    if (j < from || j >= to) continue;
    const float x = is_scale ? (float)b->integers[at] - b->zeros[g] : 1;
    slope = fmaf(x, b->left[at] + b->right[at], slope);
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

/// Moves the integers of a tile's columns, one after the other.
static void sweep_move_scalar(const belle_sweep_block_work *b, const uint32_t *tile, size_t count, size_t lane) {
  const float center = level_center(b->levels);
  float gradients[TILE];
  for (size_t c = 0; c < count; c++) gradients[c] = sweep_gradient_scalar(b, tile[c], lane);
  for (size_t c = 0; c < count; c++) {
    const size_t i = tile[c], at = i * b->stride + lane;
    const float diagonal = b->hessian[i * b->columns + i];
    const float scale = b->scales[b->groups[i] * b->grid_stride + lane];
    const float before = (float)b->integers[at];
    const float steps = before - center + gradients[c] / (diagonal * scale);
    const float after = nearest_integer(b->levels, steps, center, b->max_integer);
    const float step = scale * (after - before);
    const float gain = step * (2 * gradients[c] - step * diagonal);
    if (!(gain > 0)) continue;
    b->gains[lane] += gain;
    b->errors[at] -= step;
    b->integers[at] = (uint8_t)after;
    for (size_t d = c + 1; d < count; d++) {
      gradients[d] = fmaf(-step, b->hessian[tile[d] * b->columns + i], gradients[d]);
    }
  }
}

static void sweep_block_scalar(const belle_sweep_block_work *b) {
  for (size_t lane = 0; lane < b->lanes; lane++) {
    for (size_t k = 0; b->moves_integers && k < b->columns; k += sweep_tile(b, k)) {
      sweep_move_scalar(b, b->order + k, sweep_tile(b, k), lane);
    }
    for (size_t from = 0, to = 0; b->refits && from < b->columns; from = to) {
      for (to = from + 1; to < b->columns && b->groups[to] == b->groups[from];) to++;
      sweep_refit_scalar(b, from, to, lane, true);
      if (b->has_minimums) sweep_refit_scalar(b, from, to, lane, false);
    }
  }
}

LANES_INLINE lanes sweep_storable(const belle_sweep_block_work *b, size_t group, size_t lane, lanes x, bool is_scale) {
  if (b->half) return lanes_round_half(x);
  if (!b->scale_units) return x;
  const lanes none = lanes_all(0);
  const lanes unit =
      lanes_load((is_scale ? b->scale_units : b->minimum_units) + group / b->super_groups * b->grid_stride + lane);
  const lanes multiple = lanes_round((is_scale ? x : -x) / lanes_choose(unit != 0, unit, lanes_all(1))) + none;
  const lanes least = lanes_all(is_scale ? b->least_multiple : 0), most = lanes_all(is_scale ? b->most_multiple : b->most_minimum);
  return lanes_choose(unit != 0, (is_scale ? unit : -unit) * lanes_clamp(multiple, least, most), none);
}

/// Of some columns, what `sweep_refit` adds up: slope and curvature.
LANES_INLINE void sweep_slopes(
    const belle_sweep_block_work *b, size_t from, size_t to, size_t first, const size_t tile, size_t lane,
    const size_t width, const lanes *errors, const lanes *direction, lanes slope[WIDTH], lanes curvature[WIDTH]) {
  lanes products[TILE][WIDTH];
  const float *rows[TILE];
  for (size_t c = 0; c < tile; c++) {
    rows[c] = b->hessian + (first + c) * b->columns + from;
    for (size_t v = 0; v < width; v++) products[c][v] = lanes_all(0);
  }
  lanes_products(direction, to - from, rows, tile, width, products);
  for (size_t c = 0; c < tile; c++) {
    const size_t j = first + c;
    for (size_t v = 0; v < width; v++) {
      slope[v] = lanes_fma(errors[j * width + v], products[c][v], slope[v]);
      if (j < from || j >= to) continue;
      const size_t at = j * b->stride + lane + v * LANES;
      const lanes x = direction[(j - from) * width + v];
      slope[v] = lanes_fma(x, lanes_load(b->left + at) + lanes_load(b->right + at), slope[v]);
      curvature[v] = lanes_fma(x, products[c][v], curvature[v]);
    }
  }
}

LANES_INLINE void sweep_refit(
    const belle_sweep_block_work *b, size_t from, size_t to, size_t lane, const size_t width, bool is_scale,
    lanes *errors, lanes *direction) {
  const size_t g = b->groups[from] * b->grid_stride + lane;
  lanes slope[WIDTH], curvature[WIDTH];
  for (size_t v = 0; v < width; v++) {
    slope[v] = curvature[v] = lanes_all(0);
    const lanes zero = lanes_load(b->zeros + g + v * LANES);
    for (size_t i = from; i < to; i++) {
      const lanes q = lanes_load_bytes(b->integers + i * b->stride + lane + v * LANES);
      direction[(i - from) * width + v] = is_scale ? q - zero : lanes_all(1);
    }
  }
  size_t j = 0;
  for (; j + TILE <= b->columns; j += TILE)
    sweep_slopes(b, from, to, j, TILE, lane, width, errors, direction, slope, curvature);
  for (; j < b->columns; j++) sweep_slopes(b, from, to, j, 1, lane, width, errors, direction, slope, curvature);
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
      errors[i * width + v] = lanes_fma(-moved, direction[(i - from) * width + v], errors[i * width + v]);
    }
  }
}

/// Moves the integers of a tile's columns, one after the other.
LANES_INLINE void sweep_move(
    const belle_sweep_block_work *b, const uint32_t *order, const size_t tile, size_t lane, const size_t width,
    lanes *errors) {
  const lanes none = lanes_all(0), top = lanes_all(b->max_integer), center = lanes_all(level_center(b->levels));
  lanes gradients[TILE][WIDTH];
  const float *rows[TILE];
  for (size_t c = 0; c < tile; c++) {
    const size_t at = order[c] * b->stride + lane;
    rows[c] = b->hessian + order[c] * b->columns;
    for (size_t v = 0; v < width; v++)
      gradients[c][v] = lanes_load(b->left + at + v * LANES) + lanes_load(b->right + at + v * LANES);
  }
  lanes_products(errors, b->columns, rows, tile, width, gradients);
  for (size_t c = 0; c < tile; c++) {
    const size_t i = order[c];
    const lanes diagonal = lanes_all(rows[c][i]);
    for (size_t v = 0; v < width; v++) {
      const size_t at = i * b->stride + lane + v * LANES;
      const lanes scale = lanes_load(b->scales + b->groups[i] * b->grid_stride + lane + v * LANES);
      const lanes before = lanes_load_bytes(b->integers + at), gradient = gradients[c][v];
      const lanes steps = before - center + gradient / (diagonal * scale);
      const lanes after = nearest_integers(b->levels, steps, center, top);
      const lanes step = scale * (after - before);
      const lanes gain = step * (2 * gradient - step * diagonal);
      const lanes_mask taken = gain > 0;
      float *gains = b->gains + lane + v * LANES;
      lanes_store(gains, lanes_load(gains) + lanes_choose(taken, gain, none));
      lanes_store_bytes(b->integers + at, lanes_choose(taken, after, before));
      const lanes moved = lanes_choose(taken, step, none);
      errors[i * width + v] -= moved;
      for (size_t d = c + 1; d < tile; d++) {
        gradients[d][v] = lanes_fma(-moved, lanes_all(rows[d][i]), gradients[d][v]);
      }
    }
  }
}

/// The errors of the rows lie side by side in `errors`: apart as in the strip, they would not stay in the cache.
LANES_INLINE void sweep_rows(
    const belle_sweep_block_work *b, size_t lane, const size_t width, lanes *errors, lanes *direction) {
  for (size_t i = 0; i < b->columns; i++)
    for (size_t v = 0; v < width; v++)
      errors[i * width + v] = lanes_load(b->errors + i * b->stride + lane + v * LANES);
  if (b->moves_integers) {
    size_t k = 0;
    for (; k + TILE <= b->columns; k += TILE) sweep_move(b, b->order + k, TILE, lane, width, errors);
    for (; k < b->columns; k++) sweep_move(b, b->order + k, 1, lane, width, errors);
  }
  for (size_t from = 0, to = 0; b->refits && from < b->columns; from = to) {
    for (to = from + 1; to < b->columns && b->groups[to] == b->groups[from];) to++;
    sweep_refit(b, from, to, lane, width, true, errors, direction);
    if (b->has_minimums) sweep_refit(b, from, to, lane, width, false, errors, direction);
  }
  for (size_t i = 0; i < b->columns; i++)
    for (size_t v = 0; v < width; v++)
      lanes_store(b->errors + i * b->stride + lane + v * LANES, errors[i * width + v]);
}

LANES_INLINE void sweep_block_lanes(const belle_sweep_block_work *b, const size_t width) {
  lanes errors[LARGEST * WIDTH], direction[LARGEST * WIDTH];
  size_t lane = 0;
  for (; lane + width * LANES <= b->lanes; lane += width * LANES) sweep_rows(b, lane, width, errors, direction);
  for (; lane < b->lanes; lane += LANES) sweep_rows(b, lane, 1, errors, direction);
}

LANES_TILED_VARIANTS(void, sweep_block, (const belle_sweep_block_work *work), (work, 1), (work, 4))

void belle_sweep_block(belle_variant variant, const belle_sweep_block_work *work) {
  LANES_DISPATCH(variant, sweep_block, work);
}
