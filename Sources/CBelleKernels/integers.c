// The integers of quantized weights: packed into words, and back to values, scale · (q − zero) + minimum.
#include "belle_integers.h"

#include "lanes.h"

// MARK: To words and back

// Rows worked on together, and what fills a line of the cache.
enum { TILE = 16, LINE = 64 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/// Eight integers of four bits become one word: pairs, then pairs of pairs, are moved together.
static inline uint32_t pack_nibbles(const uint8_t *integers) {
  uint64_t x;
  memcpy(&x, integers, sizeof x);
  x = (x | x >> 4) & 0x00FF00FF00FF00FF;
  x = (x | x >> 8) & 0x0000FFFF0000FFFF;
  return (uint32_t)(x | x >> 16);
}

/// The whole lines of four-bit integers; returns how many words of each row they make.
static size_t pack_nibble_lines(
    const uint8_t *integers, size_t stride, size_t rows, size_t from_row, size_t to_row, size_t columns,
    uint32_t *words) {
  const size_t lines = columns / LINE;
  for (size_t row = from_row; row < to_row; row += TILE) {
    const size_t here = to_row - row < TILE ? to_row - row : TILE;
    for (size_t line = 0; line < lines; line++) {
      uint32_t tile[LINE / 8][TILE];
      for (size_t r = 0; r < here; r++)
        for (size_t w = 0; w < LINE / 8; w++)
          tile[w][r] = pack_nibbles(integers + (row + r) * stride + line * LINE + 8 * w);
      for (size_t w = 0; w < LINE / 8; w++)
        memcpy(words + (line * (LINE / 8) + w) * rows + row, tile[w], here * sizeof(uint32_t));
    }
  }
  return lines * (LINE / 8);
}
#endif

void belle_pack_inputs(
    const uint8_t *integers, size_t stride, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits,
    uint32_t *words) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (bits == 4 && columns >= LINE) {
    const size_t done = pack_nibble_lines(integers, stride, rows, from_row, to_row, columns, words);
    integers += done * 8;
    columns -= done * 8;
    words += done * rows;
  }
#endif
  const size_t word_count = (columns * bits + 31) / 32;
  for (size_t row = from_row; row < to_row; row += TILE) {
    const size_t here = to_row - row < TILE ? to_row - row : TILE;
    // `carry` holds the bits of each row that begin the next word.
    uint64_t carry[TILE] = {0};
    size_t next = 0, filled = 0;
    for (size_t word = 0; word < word_count; word++) {
      const size_t take = (32 - filled + bits - 1) / bits;
      const size_t until = next + take < columns ? next + take : columns;
      for (size_t r = 0; r < here; r++) {
        const uint8_t *from = integers + (row + r) * stride;
        uint64_t value = carry[r];
        unsigned shift = (unsigned)filled;
        for (size_t i = next; i < until; i++, shift += bits) value |= (uint64_t)from[i] << shift;
        words[word * rows + row + r] = (uint32_t)value;
        carry[r] = value >> 32;
      }
      filled = filled + take * bits - 32;
      next = until;
    }
  }
}

void belle_unpack_inputs(
    const uint32_t *words, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits,
    uint8_t *integers, size_t stride) {
  const uint32_t mask = (1u << bits) - 1;
  const size_t word_count = (columns * bits + 31) / 32;
  for (size_t row = from_row; row < to_row; row += TILE) {
    const size_t here = to_row - row < TILE ? to_row - row : TILE;
    for (size_t i = 0; i < columns; i++) {
      const size_t word = i * bits / 32;
      const unsigned shift = (unsigned)(i * bits % 32);
      for (size_t r = 0; r < here; r++) {
        uint64_t value = words[word * rows + row + r];
        if (shift + bits > 32 && word + 1 < word_count) value |= (uint64_t)words[(word + 1) * rows + row + r] << 32;
        integers[(row + r) * stride + i] = (uint8_t)(value >> shift & mask);
      }
    }
  }
}

// MARK: To values

// Adding it changes no product, not even the sign of a zero.
#define NO_MINIMUM (-0.0f)

static inline size_t values_end(const belle_values_work *v, size_t from) {
  return v->columns - from < v->group_size ? v->columns : from + v->group_size;
}

static void values_scalar(const belle_values_work *v) {
  for (size_t row = 0; row < v->rows; row++) {
    const uint8_t *q = v->integers + row * v->columns;
    float *to = v->values + row * v->value_stride;
    for (size_t i = 0; i < v->columns; i++) {
      const size_t g = row * v->groups + (v->group_index ? (size_t)v->group_index[i] : i / v->group_size);
      to[i] = fmaf(v->scales[g], (float)q[i] - v->zeros[g], v->minimums ? v->minimums[g] : NO_MINIMUM);
    }
  }
}

LANES_INLINE void values_lanes(const belle_values_work *v) {
  for (size_t row = 0; row < v->rows; row++) {
    const uint8_t *q = v->integers + row * v->columns;
    const float *scales = v->scales + row * v->groups, *zeros = v->zeros + row * v->groups;
    const float *minimums = v->minimums ? v->minimums + row * v->groups : NULL;
    float *to = v->values + row * v->value_stride;
    if (v->group_index) {
      for (size_t i = 0; i < v->columns; i++) {
        const int32_t g = v->group_index[i];
        to[i] = fmaf(scales[g], (float)q[i] - zeros[g], minimums ? minimums[g] : NO_MINIMUM);
      }
      continue;
    }
    for (size_t from = 0, group = 0; from < v->columns; from = values_end(v, from), group++) {
      const size_t end = values_end(v, from);
      const float minimum = minimums ? minimums[group] : NO_MINIMUM;
      const lanes scale = lanes_all(scales[group]), zero = lanes_all(zeros[group]), least = lanes_all(minimum);
      size_t i = from;
      for (; i + LANES <= end; i += LANES) lanes_store(to + i, lanes_fma(scale, lanes_load_bytes(q + i) - zero, least));
      for (; i < end; i++) to[i] = fmaf(scales[group], (float)q[i] - zeros[group], minimum);
    }
  }
}

LANES_VARIANTS(void, values, (const belle_values_work *work), (work))

void belle_values(belle_variant variant, const belle_values_work *work) { LANES_DISPATCH(variant, values, work); }
