// Between rows and lanes: transposing, and strips of a weight matrix with its rows across.
#include "belle_layout.h"

#include <string.h>

// Rows worked on together: what fills a cache line, as floats and as bytes.
enum { TILE = 16, LINE = 64 };

typedef float four __attribute__((vector_size(16)));

/// to[c·to_stride + r] = from[r·from_stride + c], four by four.
static inline void transpose_four(const float *from, size_t from_stride, float *to, size_t to_stride) {
  four a, b, c, d;
  memcpy(&a, from, sizeof a);
  memcpy(&b, from + from_stride, sizeof b);
  memcpy(&c, from + 2 * from_stride, sizeof c);
  memcpy(&d, from + 3 * from_stride, sizeof d);
  const four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  memcpy(to, &a, sizeof a);
  memcpy(to + to_stride, &b, sizeof b);
  memcpy(to + 2 * to_stride, &c, sizeof c);
  memcpy(to + 3 * to_stride, &d, sizeof d);
}

/// Four lines of the target at a time, each written from end to end: a set of the cache may not hold all sixteen.
static inline void transpose_tile(const float *from, size_t from_stride, float *to, size_t to_stride) {
  for (size_t c = 0; c < TILE; c += 4)
    for (size_t r = 0; r < TILE; r += 4)
      transpose_four(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
}

void belle_transpose(
    const float *from, size_t from_stride, size_t rows, size_t columns, float *to, size_t to_stride) {
  // Rows of whole pages share one set of the cache, which has no room for all of them: each line is touched only once.
  const int is_paged = to_stride * sizeof(float) % 4096 == 0;
  for (size_t row = 0; row < rows; row += TILE) {
    const size_t high = rows - row < TILE ? rows - row : TILE;
    for (size_t column = 0; column < columns; column += TILE) {
      const size_t wide = columns - column < TILE ? columns - column : TILE;
      const float *source = from + row * from_stride + column;
      float *target = to + column * to_stride + row;
      if (high < TILE || wide < TILE) {
        for (size_t r = 0; r < high; r++)
          for (size_t c = 0; c < wide; c++) target[c * to_stride + r] = source[r * from_stride + c];
        continue;
      }
      if (!is_paged) {
        transpose_tile(source, from_stride, target, to_stride);
        continue;
      }
      float tile[TILE * TILE];
      transpose_tile(source, from_stride, tile, TILE);
      for (size_t c = 0; c < TILE; c++) memcpy(target + c * to_stride, tile + c * TILE, sizeof(float) * TILE);
    }
  }
}

void belle_permute_symmetric(
    float *a, size_t stride, const uint32_t *order, const uint32_t *position, size_t first, size_t count) {
  // Rows of A are read from end to end, several at a time, because neighbouring columns of a row of the target are one
  // line of the cache: element by element, every one would fetch a line of its own.
  size_t longest = 0;
  for (size_t c = first; c < first + count; c++) longest = order[c] > longest ? order[c] : longest;
  for (size_t j = 0; j < longest; j++) {
    const size_t r = position[j];
    for (size_t c = first; c < first + count; c++) {
      if (j >= order[c]) continue;
      const float value = a[order[c] * stride + j];
      a[r < c ? r * stride + c : c * stride + r] = value;
    }
  }
}

/// Whether some columns follow each other in an order as they lie.
static inline int is_contiguous(const uint32_t *order, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (order[i] != order[0] + i) return 0;
  return 1;
}

void belle_gather_strip(
    const float *weights, size_t weight_stride, size_t rows, size_t columns, const uint32_t *order, float *strip,
    size_t strip_stride) {
  for (size_t row = 0; row < strip_stride; row += TILE) {
    const size_t here = row >= rows ? 0 : rows - row < TILE ? rows - row : TILE;
    for (size_t column = 0; column < columns; column += TILE) {
      const size_t wide = columns - column < TILE ? columns - column : TILE;
      const float *from = weights + row * weight_stride;
      float *to = strip + column * strip_stride + row;
      if (here == TILE && wide == TILE && is_contiguous(order + column, TILE)) {
        transpose_tile(from + order[column], weight_stride, to, strip_stride);
        continue;
      }
      for (size_t r = 0; r < here; r++)
        for (size_t c = 0; c < wide; c++) to[c * strip_stride + r] = from[r * weight_stride + order[column + c]];
      for (size_t c = 0; c < wide; c++)
        for (size_t r = here; r < TILE && row + r < strip_stride; r++) to[c * strip_stride + r] = 0;
    }
  }
}

/// Transposes 8 × 8 bytes: element c of row r becomes element r of row c. Halves are exchanged, then quarters, eighths.
static inline void transpose_bytes(uint64_t x[8]) {
  static const uint64_t masks[3] = {0x00000000FFFFFFFF, 0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF};
  for (unsigned step = 0, distance = 4; step < 3; step++, distance /= 2) {
    const unsigned shift = 8 * distance;
    for (unsigned i = 0; i < 8; i++) {
      if (i & distance) continue;
      const uint64_t low = x[i], high = x[i + distance];
      x[i] = (low & masks[step]) | (high & masks[step]) << shift;
      x[i + distance] = (low >> shift & masks[step]) | (high & ~masks[step]);
    }
  }
}

void belle_scatter_bytes(
    const uint8_t *strip, size_t strip_stride, size_t rows, size_t columns, const uint32_t *order, uint8_t *bytes,
    size_t byte_stride) {
  for (size_t row = 0; row < rows; row += LINE) {
    const size_t high = rows - row < LINE ? rows - row : LINE;
    for (size_t column = 0; column < columns; column += LINE) {
      const size_t wide = columns - column < LINE ? columns - column : LINE;
      const uint8_t *from = strip + column * strip_stride + row;
      uint8_t *to = bytes + row * byte_stride;
      const int is_whole = high == LINE && wide == LINE && is_contiguous(order + column, LINE);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
      // A line of eight rows at a time: writing down a column would need more lines of one set than the cache has.
      for (size_t r = 0; is_whole && r < LINE; r += 8) {
        for (size_t c = 0; c < LINE; c += 8) {
          uint64_t x[8];
          for (size_t i = 0; i < 8; i++) memcpy(&x[i], from + (c + i) * strip_stride + r, 8);
          transpose_bytes(x);
          for (size_t i = 0; i < 8; i++) memcpy(to + (r + i) * byte_stride + order[column] + c, &x[i], 8);
        }
      }
      if (is_whole) continue;
#endif
      for (size_t r = 0; r < high; r++)
        for (size_t c = 0; c < wide; c++) to[r * byte_stride + order[column + c]] = from[c * strip_stride + r];
    }
  }
}
