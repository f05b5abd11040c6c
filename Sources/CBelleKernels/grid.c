// The grid of one group of every row: by the range of its weights, or by a search over shrunken ranges.
// The reference's search: 80 ranges p·(low … high), p = 1, 0.99, … 0.21, Σ|w − ŵ|^2.4. Ours weighs each column's
// squared error by U_jj² and looks at every fourth range first. Source of the reference's rule: BELLE
// models/gptq/quant.py, Quantizer.find_params.
#include "belle_gptq.h"
#include "lanes.h"
#include "levels.h"

typedef struct {
  float scale, zero, minimum;
} grid_point;

/// The stored grid of a range.
static grid_point grid_of(const belle_grid_work *g, float low, float high, float shrink, bool negative) {
  grid_point p = {0, 0, 0};
  low *= shrink;
  high *= shrink;
  switch (g->form) {
    case BELLE_GRID_SYMMETRIC:
      p.zero = (g->max_integer + 1) / 2;
      p.scale = (high - low) / level_range(g->levels, g->max_integer);
      break;
    case BELLE_GRID_ZERO_POINT:
      p.scale = (high - low) / g->max_integer;
      break;
    case BELLE_GRID_MINIMUM:
      p.minimum = g->half ? round_half(low) : low;
      p.scale = (high - p.minimum) / g->max_integer;
      break;
  }
  if (g->half) p.scale = round_half(p.scale);
  if (!(p.scale >= g->smallest_scale)) p.scale = g->smallest_scale;
  if (g->form == BELLE_GRID_ZERO_POINT) {
    p.zero = fminf(fmaxf(rintf(-low / p.scale), g->lowest_zero), g->max_integer);
  }
  if (negative) p.scale = -p.scale;
  return p;
}

/// The range of a group in one row; it holds zero, but where a minimum is stored.
static void grid_range(const belle_grid_work *g, size_t lane, float *low, float *high) {
  *low = g->form == BELLE_GRID_MINIMUM ? g->values[lane] : 0;
  *high = *low;
  for (size_t i = 0; i < g->columns; i++) {
    const float x = g->values[i * g->stride + lane];
    *low = fminf(*low, x);
    *high = fmaxf(*high, x);
  }
  if (g->form == BELLE_GRID_SYMMETRIC) {
    *high = fmaxf(-*low, *high);
    *low = -*high;
  }
  if (g->in_super_block) *low = fminf(*low, 0);
  // A group of zeros: any scale will do, but that of a super-block's must not be its largest.
  if (g->form != BELLE_GRID_MINIMUM && !g->in_super_block && *low == 0 && *high == 0) {
    *low = -1;
    *high = 1;
  }
}

/// Σ weight · |w − ŵ|^norm of one row.
static float grid_error_scalar(const belle_grid_work *g, size_t lane, grid_point p) {
  const float inverse = 1 / p.scale;
  float sum = 0;
  for (size_t i = 0; i < g->columns; i++) {
    const float x = g->values[i * g->stride + lane];
    const float q = nearest_integer(g->levels, (x - p.minimum) * inverse, p.zero, g->max_integer);
    const float error = fmaf(p.scale, q - p.zero, p.minimum) - x;
    const float weight = g->column_weights ? g->column_weights[i] : 1;
    sum = fmaf(weight, g->norm == 2 ? error * error : powf(fabsf(error), g->norm), sum);
  }
  return sum;
}

static void grid_scalar(const belle_grid_work *g) {
  for (size_t lane = 0; lane < g->lanes; lane++) {
    float low, high;
    grid_range(g, lane, &low, &high);
    grid_point best = grid_of(g, low, high, 1, false);
    if (g->norm != 0) {
      float best_error = INFINITY;
      int best_step = 0;
      bool best_sign = false;
      for (int fine = 0; fine < (g->coarse ? 2 : 1); fine++) {
        const int from = fine ? best_step - 3 : 0, to = fine ? best_step + 3 : 79;
        const int by = g->coarse && !fine ? 4 : 1;
        const bool sign_found = best_sign;
        for (int sign = 0; sign < (g->negative_scales && !fine ? 2 : 1); sign++) {
          for (int step = from; step <= to; step += by) {
            if (fine && (step < 0 || step > 79)) continue;
            const bool negative = fine ? sign_found : sign == 1;
            const grid_point p = grid_of(g, low, high, 1 - (float)step / 100, negative);
            const float error = grid_error_scalar(g, lane, p);
            if (error < best_error) {
              best_error = error;
              best = p;
              best_sign = negative;
              if (!fine) best_step = step;
            }
          }
        }
      }
    }
    g->scales[lane] = best.scale;
    g->zeros[lane] = best.zero;
    g->minimums[lane] = best.minimum;
  }
}

typedef struct {
  lanes scale, zero, minimum;
} grid_points;

LANES_INLINE grid_points grid_of_lanes(
    const belle_grid_work *g, lanes low, lanes high, lanes shrink, lanes_mask negative) {
  const lanes top = lanes_all(g->max_integer), smallest = lanes_all(g->smallest_scale);
  grid_points p = {lanes_all(0), lanes_all(0), lanes_all(0)};
  low *= shrink;
  high *= shrink;
  if (g->form == BELLE_GRID_MINIMUM) {
    p.minimum = g->half ? lanes_round_half(low) : low;
    p.scale = (high - p.minimum) / top;
  } else {
    p.scale = (high - low) / lanes_all(level_range(g->levels, g->max_integer));
    if (g->form == BELLE_GRID_SYMMETRIC) p.zero = (top + 1) / 2;
  }
  if (g->half) p.scale = lanes_round_half(p.scale);
  p.scale = lanes_choose(p.scale >= smallest, p.scale, smallest);
  if (g->form == BELLE_GRID_ZERO_POINT) {
    p.zero = lanes_clamp(lanes_round(-low / p.scale), lanes_all(g->lowest_zero), top);
  }
  p.scale = lanes_choose(negative, -p.scale, p.scale);
  return p;
}

LANES_INLINE lanes grid_error_lanes(const belle_grid_work *g, size_t lane, grid_points p) {
  const lanes inverse = 1 / p.scale, top = lanes_all(g->max_integer);
  lanes sum = lanes_all(0);
  for (size_t i = 0; i < g->columns; i++) {
    const lanes x = lanes_load(g->values + i * g->stride + lane);
    const lanes q = nearest_integers(g->levels, (x - p.minimum) * inverse, p.zero, top);
    const lanes error = lanes_fma(p.scale, q - p.zero, p.minimum) - x;
    const lanes weight = lanes_all(g->column_weights ? g->column_weights[i] : 1);
    lanes power = error * error;
    if (g->norm != 2) {
      for (int l = 0; l < LANES; l++) power[l] = powf(fabsf(error[l]), g->norm);
    }
    sum = lanes_fma(weight, power, sum);
  }
  return sum;
}

LANES_INLINE void grid_rows(const belle_grid_work *g, size_t lane) {
  const lanes none = lanes_all(0), one = lanes_all(1);
  lanes low = g->form == BELLE_GRID_MINIMUM ? lanes_load(g->values + lane) : none, high = low;
  for (size_t i = 0; i < g->columns; i++) {
    const lanes x = lanes_load(g->values + i * g->stride + lane);
    low = __builtin_elementwise_min(low, x);
    high = __builtin_elementwise_max(high, x);
  }
  if (g->form == BELLE_GRID_SYMMETRIC) {
    high = __builtin_elementwise_max(-low, high);
    low = -high;
  }
  if (g->in_super_block) low = __builtin_elementwise_min(low, none);
  if (g->form != BELLE_GRID_MINIMUM && !g->in_super_block) {
    const lanes_mask empty = (low == 0) & (high == 0);
    low = lanes_choose(empty, -one, low);
    high = lanes_choose(empty, one, high);
  }
  const lanes_mask never = (lanes_mask)none;
  grid_points best = grid_of_lanes(g, low, high, one, never);
  if (g->norm != 0) {
    lanes best_error = lanes_all(INFINITY), best_step = none;
    lanes_mask best_sign = never;
    for (int fine = 0; fine < (g->coarse ? 2 : 1); fine++) {
      const lanes center = best_step;
      const lanes_mask sign_found = best_sign;
      const int from = fine ? -3 : 0, to = fine ? 3 : 79, by = g->coarse && !fine ? 4 : 1;
      for (int sign = 0; sign < (g->negative_scales && !fine ? 2 : 1); sign++) {
        for (int k = from; k <= to; k += by) {
          const lanes step = fine ? center + (float)k : lanes_all((float)k);
          const lanes_mask negative = fine ? sign_found : sign == 1 ? ~never : never;
          const grid_points p = grid_of_lanes(g, low, high, 1 - step / 100, negative);
          const lanes error = grid_error_lanes(g, lane, p);
          const lanes_mask better = (error < best_error) & (step >= 0) & (step <= 79);
          best_error = lanes_choose(better, error, best_error);
          best.scale = lanes_choose(better, p.scale, best.scale);
          best.zero = lanes_choose(better, p.zero, best.zero);
          best.minimum = lanes_choose(better, p.minimum, best.minimum);
          best_sign = (best_sign & ~better) | (negative & better);
          if (!fine) best_step = lanes_choose(better, step, best_step);
        }
      }
    }
  }
  lanes_store(g->scales + lane, best.scale);
  lanes_store(g->zeros + lane, best.zero);
  lanes_store(g->minimums + lane, best.minimum);
}

LANES_INLINE void grid_lanes(const belle_grid_work *g) {
  for (size_t lane = 0; lane < g->lanes; lane += LANES) grid_rows(g, lane);
}

LANES_VARIANTS(void, grid, (const belle_grid_work *work), (work))

void belle_grid(belle_variant variant, const belle_grid_work *work) { LANES_DISPATCH(variant, grid, work); }

// MARK: Super-blocks

/// Σ weight · (w − ŵ)² of one group under a scale and a minimum.
LANES_INLINE lanes super_error(const belle_super_grid_work *s, size_t group, size_t lane, lanes scale, lanes minimum) {
  const lanes inverse = 1 / scale, top = lanes_all(s->max_integer);
  // Without minimums, levels lie around the middle one.
  const lanes zero = lanes_all(s->least_multiple < 0 ? (s->max_integer + 1) / 2 : 0);
  const float *x = s->values + group * s->columns * s->stride + lane;
  lanes sum = lanes_all(0);
  for (size_t i = 0; i < s->columns; i++, x += s->stride) {
    const lanes value = lanes_load(x);
    const lanes q = nearest_integers(s->levels, (value - minimum) * inverse, zero, top);
    const lanes error = lanes_fma(scale, q - zero, minimum) - value;
    const float weight = s->column_weights ? s->column_weights[group * s->columns + i] : 1;
    sum = lanes_fma(lanes_all(weight), error * error, sum);
  }
  return sum;
}

/// The unit is the largest scale by the largest multiple, a 63rd or a −32nd, so that no group's own choice is cut off (but
/// by a 32nd of it, where 31 is the most of the other sign); each group then takes the multiples near its own choice whose
/// error is least.
LANES_INLINE void super_rows(const belle_super_grid_work *s, size_t lane) {
  const lanes none = lanes_all(0), most = lanes_all(s->most_minimum);
  const lanes least_multiple = lanes_all(s->least_multiple), most_multiple = lanes_all(s->most_multiple);
  const float limit = -s->least_multiple > s->most_multiple ? s->least_multiple : s->most_multiple;
  lanes scale_unit = none, minimum_unit = none;
  for (size_t group = 0; group < s->groups; group++) {
    const size_t at = group * s->grid_stride + lane;
    const lanes scale = lanes_load(s->scales + at);
    scale_unit = lanes_choose(lanes_abs(scale) > lanes_abs(scale_unit), scale, scale_unit);
    minimum_unit = __builtin_elementwise_max(minimum_unit, -lanes_load(s->minimums + at));
  }
  scale_unit = lanes_round_half(scale_unit / lanes_all(limit));
  scale_unit = lanes_choose(lanes_abs(scale_unit) > 0, scale_unit, lanes_all(copysignf(0x1p-24f, limit)));
  if (s->most_minimum > 0) minimum_unit = lanes_round_half(minimum_unit / most);
  lanes_store(s->scale_unit + lane, scale_unit);
  lanes_store(s->minimum_unit + lane, minimum_unit);
  // Where all minimums are 0, any divisor will do.
  const lanes divisor = lanes_choose(minimum_unit > 0, minimum_unit, lanes_all(1));
  for (size_t group = 0; group < s->groups; group++) {
    const size_t at = group * s->grid_stride + lane;
    const lanes wanted_scale = lanes_round(lanes_load(s->scales + at) / scale_unit);
    const lanes wanted_minimum = lanes_round(-lanes_load(s->minimums + at) / divisor);
    lanes best_error = lanes_all(INFINITY), best_scale = scale_unit, best_minimum = none;
    for (int i = 0; i < (s->most_minimum > 0 ? 9 : 3); i++) {
      // Its own choice first: at equal errors it stays.
      static const float steps[3] = {0, -1, 1};
      const lanes multiple = lanes_clamp(wanted_scale + steps[i % 3], least_multiple, most_multiple);
      const lanes scale = scale_unit * lanes_choose(multiple == 0, lanes_all(-1), multiple);
      const lanes minimum = none - minimum_unit * lanes_clamp(wanted_minimum + steps[i / 3], none, most);
      const lanes error = super_error(s, group, lane, scale, minimum);
      const lanes_mask better = error < best_error;
      best_error = lanes_choose(better, error, best_error);
      best_scale = lanes_choose(better, scale, best_scale);
      best_minimum = lanes_choose(better, minimum, best_minimum);
    }
    lanes_store(s->scales + at, best_scale);
    lanes_store(s->minimums + at, best_minimum);
  }
}

LANES_INLINE void super_grid_lanes(const belle_super_grid_work *s) {
  for (size_t lane = 0; lane < s->lanes; lane += LANES) super_rows(s, lane);
}

LANES_ALL_VARIANTS(void, super_grid, (const belle_super_grid_work *work), (work))

void belle_super_grid(belle_variant variant, const belle_super_grid_work *work) {
  LANES_DISPATCH(variant, super_grid, work);
}

// MARK: Grids that move after the integers. Plain loops: the compiler makes vectors of them, and they are a small part.

void belle_round_halves(float *values, size_t count, float smallest) {
  for (size_t i = 0; i < count; i++) {
    const float rounded = round_half(values[i]);
    values[i] = fabsf(rounded) >= smallest ? rounded : copysignf(smallest, rounded);
  }
}

void belle_strip_directions(
    const uint8_t *integers, size_t columns, size_t lanes, const float *zeros, float *directions) {
  for (size_t i = 0; i < columns; i++) {
    for (size_t r = 0; r < lanes; r++) directions[i * lanes + r] = (float)integers[i * lanes + r] - zeros[r];
  }
}

void belle_move_grid(
    float *errors, const uint8_t *integers, size_t columns, size_t lanes, const float *zeros, const float *old_scales,
    const float *old_minimums, const float *scales, const float *minimums) {
  for (size_t i = 0; i < columns; i++) {
    for (size_t r = 0; r < lanes; r++) {
      const float step = (float)integers[i * lanes + r] - zeros[r];
      errors[i * lanes + r] += (old_scales[r] - scales[r]) * step + (old_minimums[r] - minimums[r]);
    }
  }
}
