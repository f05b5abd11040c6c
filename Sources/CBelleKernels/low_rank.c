// A product of low rank, added to a matrix. Factors of single precision have exact products in double, so that only the
// sums round; their order is the header's, the same in every variant.
#include "belle_low_rank.h"

#include "lanes.h"

// A vector of doubles is half of the lanes; two of them are worked on at once, for several rows.
enum { EIGHT = LANES / 2, TILE = 2 * EIGHT, PANEL = BELLE_LOW_RANK_PANEL, MOST_ROWS = 4 };

typedef struct {
  const double *left;
  size_t rows, rank;
  const double *panels;
  size_t columns;
  double scale;
  double *target;
  belle_low_rank_squares *squares;
} low_rank_work;

/// The right side's first row at a column.
static inline const double *panel_at(const low_rank_work *w, size_t column) {
  return w->panels + column / PANEL * PANEL * w->rank + column % PANEL;
}

static inline size_t tile_width(const low_rank_work *w, size_t column) {
  return w->columns - column < TILE ? w->columns - column : TILE;
}

static void low_rank_scalar(const low_rank_work *w) {
  for (size_t column = 0; column < w->columns; column += TILE) {
    const double *panel = panel_at(w, column);
    for (size_t row = 0; row < w->rows; row++) {
      double *target = w->target + row * w->columns + column;
      for (size_t i = 0; i < tile_width(w, column); i++) {
        double sum = 0;
        for (size_t k = 0; k < w->rank; k++) sum = fma(w->left[row * w->rank + k], panel[k * PANEL + i], sum);
        const double delta = w->scale * sum;
        double *weights = w->squares->weights + i % EIGHT, *deltas = w->squares->deltas + i % EIGHT;
        *weights = fma(target[i], target[i], *weights);
        *deltas = fma(delta, delta, *deltas);
        target[i] += delta;
      }
    }
  }
}

LANES_INLINE lanes_doubles doubles_all(double x) { return (lanes_doubles){x, x, x, x, x, x, x, x}; }

LANES_INLINE lanes_doubles doubles_fma(lanes_doubles a, lanes_doubles b, lanes_doubles c) {
  return __builtin_elementwise_fma(a, b, c);
}

/// Adds to sixteen columns of a row what was summed for them; past the end of the row lie zeros in a copy.
LANES_INLINE void add_tile(
    const low_rank_work *w, size_t row, size_t column, const lanes_doubles sums[2], lanes_doubles squares[2]) {
  const size_t count = tile_width(w, column);
  double *target = w->target + row * w->columns + column;
  double part[TILE] = {0};
  double *from = target;
  if (count < TILE) from = memcpy(part, target, count * sizeof *part);
  for (size_t v = 0; v < 2; v++) {
    const lanes_doubles weight = lanes_load_doubles(from + v * EIGHT), delta = doubles_all(w->scale) * sums[v];
    squares[0] = doubles_fma(weight, weight, squares[0]);
    squares[1] = doubles_fma(delta, delta, squares[1]);
    lanes_store_doubles(from + v * EIGHT, weight + delta);
  }
  if (count < TILE) memcpy(target, part, count * sizeof *part);
}

LANES_INLINE void tile_of_rows(
    const low_rank_work *w, size_t row, const size_t height, size_t column, lanes_doubles squares[2]) {
  const double *panel = panel_at(w, column);
  lanes_doubles sums[MOST_ROWS][2];
  for (size_t r = 0; r < height; r++) sums[r][0] = sums[r][1] = doubles_all(0);
  for (size_t k = 0; k < w->rank; k++) {
    const lanes_doubles one = lanes_load_doubles(panel + k * PANEL);
    const lanes_doubles other = lanes_load_doubles(panel + k * PANEL + EIGHT);
    for (size_t r = 0; r < height; r++) {
      const lanes_doubles factor = doubles_all(w->left[(row + r) * w->rank + k]);
      sums[r][0] = doubles_fma(factor, one, sums[r][0]);
      sums[r][1] = doubles_fma(factor, other, sums[r][1]);
    }
  }
  for (size_t r = 0; r < height; r++) add_tile(w, row + r, column, sums[r], squares);
}

/// `height` rows at once: as many as the registers hold.
LANES_INLINE void low_rank_lanes(const low_rank_work *w, const size_t height) {
  lanes_doubles squares[2] = {
      lanes_load_doubles(w->squares->weights), lanes_load_doubles(w->squares->deltas)};
  for (size_t column = 0; column < w->columns; column += TILE) {
    size_t row = 0;
    for (; row + height <= w->rows; row += height) tile_of_rows(w, row, height, column, squares);
    for (; row < w->rows; row++) tile_of_rows(w, row, 1, column, squares);
  }
  lanes_store_doubles(w->squares->weights, squares[0]);
  lanes_store_doubles(w->squares->deltas, squares[1]);
}

LANES_TILED_VARIANTS(void, low_rank, (const low_rank_work *work), (work, 2), (work, 4))

void belle_low_rank_add(
    belle_variant variant, const double *left, size_t rows, size_t rank, const double *panels, size_t columns,
    double scale, double *target, belle_low_rank_squares *squares) {
  const low_rank_work work = {left, rows, rank, panels, columns, scale, target, squares};
  LANES_DISPATCH(variant, low_rank, &work);
}
