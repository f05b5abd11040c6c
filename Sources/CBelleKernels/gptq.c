// The dependent part of GPTQ: the columns of one block, each quantized after the error of those before it is known.
// Rows are independent and lie across the lanes; columns are outermost. Mathematics: Documentation/gptq.md.
#include "belle_gptq.h"
#include "lanes.h"
#include "levels.h"

// What one lane does with column i: the weight that GPTQ quantizes there is
//   w' = w + (p + Σ_{j<i} d_j U_ji) / U_ii,   d_j = w_j − ŵ_j.

static void gptq_block_scalar(const belle_gptq_block_work *b) {
  for (size_t lane = 0; lane < b->lanes; lane++) {
    for (size_t i = 0; i < b->columns; i++) {
      const float *u = b->factor + i * b->columns;
      float *w = b->weights + i * b->stride + lane;
      float sum = b->products[i * b->stride + lane];
      for (size_t j = 0; j < i; j++) sum = fmaf(b->weights[j * b->stride + lane], u[j], sum);
      const size_t g = b->groups[i] * b->grid_stride + lane;
      const float scale = b->scales[g], zero = b->zeros[g], minimum = b->minimums[g];
      const float target = *w + sum / u[i];
      const float q = nearest_integer(b->levels, (target - minimum) / scale, zero, b->max_integer);
      const float value = fmaf(scale, q - zero, minimum);
      const float residual = (target - value) * u[i];
      const float error = *w - value;
      b->losses[lane] = fmaf(residual, residual, b->losses[lane]);
      b->integers[i * b->stride + lane] = (uint8_t)q;
      *w = error;
    }
  }
}

// The errors of a tile's rows lie one after the other in `done`: where rows of the strip are a power of two of bytes
// apart, a block of them does not stay in the cache.
enum { COLUMNS = TILE_COLUMNS, WIDTH = TILE_WIDTH, BLOCK = 128 };

/// sums[c, v] += Σ_{j<first} done_j · U_ji of the columns i = first + c.
LANES_INLINE void gptq_products(
    const lanes *done, size_t first, const float *factor, size_t stride, const size_t columns, const size_t width,
    lanes sums[COLUMNS][WIDTH]) {
  const float *rows[COLUMNS];
  for (size_t c = 0; c < columns; c++) rows[c] = factor + (first + c) * stride;
  lanes_products(done, first, rows, columns, width, sums);
}

LANES_INLINE void gptq_columns(
    const belle_gptq_block_work *b, size_t lane, const size_t width, size_t first, const size_t columns, lanes *done,
    lanes *loss) {
  lanes sums[COLUMNS][WIDTH];
  for (size_t c = 0; c < columns; c++)
    for (size_t v = 0; v < width; v++)
      sums[c][v] = lanes_load(b->products + (first + c) * b->stride + lane + v * LANES);
  gptq_products(done, first, b->factor, b->columns, columns, width, sums);
  const lanes top = lanes_all(b->max_integer);
  for (size_t c = 0; c < columns; c++) {
    const size_t i = first + c;
    const float *u = b->factor + i * b->columns;
    for (size_t j = first; j < i; j++)
      for (size_t v = 0; v < width; v++) sums[c][v] = lanes_fma(done[j * width + v], lanes_all(u[j]), sums[c][v]);
    const lanes diagonal = lanes_all(u[i]);
    for (size_t v = 0; v < width; v++) {
      const size_t at = i * b->stride + lane + v * LANES;
      const size_t g = b->groups[i] * b->grid_stride + lane + v * LANES;
      const lanes scale = lanes_load(b->scales + g), zero = lanes_load(b->zeros + g);
      const lanes minimum = lanes_load(b->minimums + g);
      const lanes weight = lanes_load(b->weights + at);
      const lanes target = weight + sums[c][v] / diagonal;
      const lanes q = nearest_integers(b->levels, (target - minimum) / scale, zero, top);
      const lanes value = lanes_fma(scale, q - zero, minimum);
      const lanes residual = (target - value) * diagonal;
      loss[v] = lanes_fma(residual, residual, loss[v]);
      lanes_store_bytes(b->integers + at, q);
      done[i * width + v] = weight - value;
      lanes_store(b->weights + at, weight - value);
    }
  }
}

LANES_INLINE void gptq_rows(const belle_gptq_block_work *b, size_t lane, const size_t width, lanes *done) {
  lanes loss[WIDTH];
  for (size_t v = 0; v < width; v++) loss[v] = lanes_load(b->losses + lane + v * LANES);
  size_t i = 0;
  for (; i + COLUMNS <= b->columns; i += COLUMNS) gptq_columns(b, lane, width, i, COLUMNS, done, loss);
  for (; i < b->columns; i++) gptq_columns(b, lane, width, i, 1, done, loss);
  for (size_t v = 0; v < width; v++) lanes_store(b->losses + lane + v * LANES, loss[v]);
}

LANES_INLINE void gptq_block_lanes(const belle_gptq_block_work *b, const size_t width) {
  lanes done[BLOCK * WIDTH];
  size_t lane = 0;
  for (; lane + width * LANES <= b->lanes; lane += width * LANES) gptq_rows(b, lane, width, done);
  for (; lane < b->lanes; lane += LANES) gptq_rows(b, lane, 1, done);
}

LANES_TILED_VARIANTS(void, gptq_block, (const belle_gptq_block_work *work), (work, 1), (work, 4))

void belle_gptq_block(belle_variant variant, const belle_gptq_block_work *work) {
  LANES_DISPATCH(variant, gptq_block, work);
}

// What a block's feedback adds to its weights before any of them is quantized: x with Σ_{j≤i} x_j U_ji = p_i.

static void solve_block_scalar(const belle_solve_block_work *b) {
  for (size_t lane = 0; lane < b->lanes; lane++) {
    for (size_t i = 0; i < b->columns; i++) {
      const float *u = b->factor + i * b->columns;
      float sum = b->products[i * b->stride + lane];
      for (size_t j = 0; j < i; j++) sum = fmaf(-b->products[j * b->stride + lane], u[j], sum);
      b->products[i * b->stride + lane] = sum / u[i];
    }
  }
}

LANES_INLINE void solve_columns(
    const belle_solve_block_work *b, size_t lane, const size_t width, size_t first, const size_t columns, lanes *done) {
  lanes sums[COLUMNS][WIDTH];
  for (size_t c = 0; c < columns; c++)
    for (size_t v = 0; v < width; v++)
      sums[c][v] = lanes_load(b->products + (first + c) * b->stride + lane + v * LANES);
  gptq_products(done, first, b->factor, b->columns, columns, width, sums);
  for (size_t c = 0; c < columns; c++) {
    const size_t i = first + c;
    const float *u = b->factor + i * b->columns;
    for (size_t j = first; j < i; j++)
      for (size_t v = 0; v < width; v++) sums[c][v] = lanes_fma(done[j * width + v], lanes_all(u[j]), sums[c][v]);
    for (size_t v = 0; v < width; v++) {
      const lanes x = sums[c][v] / lanes_all(u[i]);
      lanes_store(b->products + i * b->stride + lane + v * LANES, x);
      // Subtracted from what comes after.
      done[i * width + v] = -x;
    }
  }
}

LANES_INLINE void solve_rows(const belle_solve_block_work *b, size_t lane, const size_t width, lanes *done) {
  size_t i = 0;
  for (; i + COLUMNS <= b->columns; i += COLUMNS) solve_columns(b, lane, width, i, COLUMNS, done);
  for (; i < b->columns; i++) solve_columns(b, lane, width, i, 1, done);
}

LANES_INLINE void solve_block_lanes(const belle_solve_block_work *b, const size_t width) {
  lanes done[BLOCK * WIDTH];
  size_t lane = 0;
  for (; lane + width * LANES <= b->lanes; lane += width * LANES) solve_rows(b, lane, width, done);
  for (; lane < b->lanes; lane += LANES) solve_rows(b, lane, 1, done);
}

LANES_TILED_VARIANTS(void, solve_block, (const belle_solve_block_work *work), (work, 1), (work, 4))

void belle_solve_block(belle_variant variant, const belle_solve_block_work *work) {
  LANES_DISPATCH(variant, solve_block, work);
}
