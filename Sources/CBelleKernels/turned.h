// GGUF's blocks of sixteen rows in lanes, a row to a lane, as their file has them: what multiplies them where they lie,
// and what lays them out anew, goes by this. What makes it possible is turning 16 bytes of 16 rows into four words a
// row, which takes eight shuffles: then byte b of sixteen blocks is a shift of word b / 4. 256 weights are turned at a
// time, into memory that stays in the first cache.
// Which bits are which weight's is block_parts.h's; here are the same places in lanes, held against it by tests.
#ifndef BELLE_TURNED_H
#define BELLE_TURNED_H

#include "belle_blocks.h"
#include "belle_stored.h"
#include "lanes.h"

enum {
  TURNED_BLOCK = 32,
  CHUNK_BLOCKS = 8,
  /// Words of a row that are turned at once: eight blocks of Q8_0, the largest.
  CHUNK_WORDS = 8 * 34 / 4,
};

// MARK: Types, by numbers that are known when this is compiled

/// Whether a block has 32 weights, and not 256.
LANES_INLINE bool is_short(const unsigned type) { return type <= BELLE_Q8_0; }

/// Bytes of a block; tests hold them against the table.
LANES_INLINE size_t size_of(const unsigned type) {
  switch (type) {
    case BELLE_Q4_0: return 18;
    case BELLE_Q4_1: return 20;
    case BELLE_Q5_0: return 22;
    case BELLE_Q5_1: return 24;
    case BELLE_Q8_0: return 34;
    case BELLE_Q2_K: return 84;
    case BELLE_Q3_K: return 110;
    case BELLE_Q4_K: return 144;
    case BELLE_Q5_K: return 176;
    default: return 210;
  }
}

LANES_INLINE size_t row_size(const unsigned type, size_t blocks) {
  return (is_short(type) ? blocks : blocks / CHUNK_BLOCKS) * size_of(type);
}

/// What is taken off the integers of a type.
LANES_INLINE int middle_of(const unsigned type) {
  switch (type) {
    case BELLE_Q4_0: return 8;
    case BELLE_Q5_0: return 16;
    case BELLE_Q3_K: return 4;
    case BELLE_Q6_K: return 32;
    default: return 0;
  }
}

LANES_INLINE bool has_minimums(const unsigned type) {
  return type == BELLE_Q4_1 || type == BELLE_Q5_1 || type == BELLE_Q2_K || type == BELLE_Q4_K || type == BELLE_Q5_K;
}

/// Whether the two halves of 32 weights have scales of their own.
LANES_INLINE bool has_half_scales(const unsigned type) {
  return type == BELLE_Q2_K || type == BELLE_Q3_K || type == BELLE_Q6_K;
}

// MARK: Turning

typedef uint32_t four __attribute__((vector_size(16)));
typedef uint32_t eight __attribute__((vector_size(32)));

LANES_INLINE lanes_words side_by_side(four a, four b, four c, four d) {
  const eight ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
  const eight cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

#define SHUFFLED(a, b, i, j, k, l) \
  __builtin_shufflevector( \
      a, b, i, j, k, l, i + 4, j + 4, k + 4, l + 4, i + 8, j + 8, k + 8, l + 8, i + 12, j + 12, k + 12, l + 12)

/// Four words of each row: word w of row r is words[w][r].
LANES_INLINE void turn(const four *rows, uint8_t *words) {
  lanes_words r[4];
  for (size_t i = 0; i < 4; i++) r[i] = side_by_side(rows[i], rows[4 + i], rows[8 + i], rows[12 + i]);
  const lanes_words low01 = SHUFFLED(r[0], r[1], 0, 16, 1, 17), high01 = SHUFFLED(r[0], r[1], 2, 18, 3, 19);
  const lanes_words low23 = SHUFFLED(r[2], r[3], 0, 16, 1, 17), high23 = SHUFFLED(r[2], r[3], 2, 18, 3, 19);
  const lanes_words turned[4] = {
      SHUFFLED(low01, low23, 0, 1, 16, 17), SHUFFLED(low01, low23, 2, 3, 18, 19),
      SHUFFLED(high01, high23, 0, 1, 16, 17), SHUFFLED(high01, high23, 2, 3, 18, 19)};
  memcpy(words, turned, sizeof turned);
}

/// A strip: its rows, and where the matrix ends.
typedef struct {
  const uint8_t *rows[LANES];
  const uint8_t *end;
} strip_rows;

LANES_INLINE strip_rows rows_of(const belle_stored *w, size_t strip, const unsigned type) {
  const size_t size = row_size(type, w->blocks);
  strip_rows s = {.end = w->bytes + w->rows * size};
  for (size_t lane = 0; lane < LANES; lane++) {
    const size_t row = LANES * strip + lane, there = row < w->rows ? row : w->rows - 1;
    s.rows[lane] = w->bytes + (w->order ? (size_t)w->order[there] : there) * size;
  }
  return s;
}

/// Turns the bytes `at ..< at + count` of a strip's rows.
LANES_INLINE void turn_chunk(const strip_rows *s, size_t at, size_t count, uint8_t *words) {
  four rows[LANES];
  size_t done = 0;
  for (; done + 16 <= count; done += 16, words += 256) {
#pragma clang loop unroll(full)
    for (size_t lane = 0; lane < LANES; lane++) memcpy(&rows[lane], s->rows[lane] + at + done, 16);
    turn(rows, words);
  }
  if (done == count) return;
  for (size_t lane = 0; lane < LANES; lane++) {
    const uint8_t *from = s->rows[lane] + at + done;
    // What follows in the file does not matter, as long as there is something.
    if (s->end - from >= 16) {
      memcpy(&rows[lane], from, 16);
    } else {
      rows[lane] = (four){0};
      memcpy(&rows[lane], from, count - done);
    }
  }
  turn(rows, words);
}

// MARK: Integers and scales of turned blocks

/// What begins at a bit of a byte of each row.
LANES_INLINE lanes_words bits_at(const uint8_t *words, size_t byte, unsigned bit) {
  return lanes_load_words(words + 64 * (byte / 4)) >> (unsigned)(8 * (byte % 4) + bit);
}

LANES_INLINE lanes half_at(const uint8_t *words, size_t byte) {
  return lanes_halves((lanes_mask)(bits_at(words, byte, 0) & 0xFFFF));
}

/// Where 32 weights of a chunk are: their block's words, the byte of those at which it begins, and their place in it.
typedef struct {
  const uint8_t *words;
  size_t first;
  unsigned number;
} place;

/// What has the nibble of weight `k` of 32 in its lowest bits, of types that have nibbles.
LANES_INLINE lanes_words nibble_at(const unsigned type, const place *p, const unsigned k) {
  const unsigned n = p->number;
  if (type == BELLE_Q4_K) return bits_at(p->words + 512 * (n / 2), 16 + k, n % 2 * 4);
  if (type == BELLE_Q5_K) return bits_at(p->words + 512 * (n / 2), 48 + k, n % 2 * 4);
  // In a block of 32 the low nibbles are weights 0 to 15.
  return bits_at(p->words, p->first + size_of(type) - 16 + k % 16, k / 16 * 4);
}

/// The integer of weight `k` of 32, as it is stored: of Q8_0 the byte.
LANES_INLINE lanes_words code_at(const unsigned type, const place *p, const unsigned k) {
  const uint8_t *words = p->words;
  const unsigned n = p->number, half = n / 4;
  switch (type) {
    case BELLE_Q8_0: return bits_at(words, p->first + 2 + k, 0) & 255;
    case BELLE_Q4_0:
    case BELLE_Q4_1:
    case BELLE_Q4_K: return nibble_at(type, p, k) & 15;
    case BELLE_Q5_0:
    case BELLE_Q5_1: {
      const size_t fifth = p->first + (type == BELLE_Q5_0 ? 2 : 4) + k / 8;
      return (nibble_at(type, p, k) & 15) | (bits_at(words, fifth, k % 8) & 1) << 4;
    }
    case BELLE_Q2_K: return bits_at(words + 512 * half, 16 + k, 2 * (n % 4)) & 3;
    case BELLE_Q3_K:
      return (bits_at(words + 512 * half, 32 + k, 2 * (n % 4)) & 3) | (bits_at(words, k, n) & 1) << 2;
    case BELLE_Q5_K: return (nibble_at(type, p, k) & 15) | (bits_at(words, 16 + k, n) & 1) << 4;
    default:
      return (bits_at(words + 1024 * half + 512 * (n % 2), k, n % 4 / 2 * 4) & 15) |
             (bits_at(words + 512 * half, 128 + k, 2 * (n % 4)) & 3) << 4;
  }
}

/// Bytes as the signed numbers that they are.
LANES_INLINE lanes_mask signed_bytes(lanes_words bytes) { return (lanes_mask)(bytes << 24) >> 24; }

/// The integer of weight `k` of 32, less the middle.
LANES_INLINE lanes integer_at(const unsigned type, const place *p, const unsigned k) {
  const lanes_words code = code_at(type, p, k);
  if (type == BELLE_Q8_0) return __builtin_convertvector(signed_bytes(code), lanes);
  return __builtin_convertvector((lanes_mask)code - middle_of(type), lanes);
}

/// What the unit of a K block is multiplied by for the scale of a run of weights.
LANES_INLINE lanes_mask multiple_at(const unsigned type, const uint8_t *w, unsigned run) {
  switch (type) {
    case BELLE_Q2_K: return (lanes_mask)(bits_at(w, run, 0) & 15);
    case BELLE_Q3_K: {
      const lanes_words low = bits_at(w, 96 + run % 8, run / 8 * 4) & 15;
      const lanes_words high = bits_at(w, 104 + run % 4, run / 4 * 2) & 3;
      return (lanes_mask)(low | high << 4) - 32;
    }
    case BELLE_Q6_K: return signed_bytes(bits_at(w, 192 + run, 0));
    default:
      if (run < 4) return (lanes_mask)(bits_at(w, 4 + run, 0) & 63);
      return (lanes_mask)((bits_at(w, 8 + run, 0) & 15) | (bits_at(w, run, 6) & 3) << 4);
  }
}

/// The same for its minimum.
LANES_INLINE lanes_mask minimum_multiple_at(const unsigned type, const uint8_t *w, unsigned run) {
  if (type == BELLE_Q2_K) return (lanes_mask)(bits_at(w, run, 4) & 15);
  if (run < 4) return (lanes_mask)(bits_at(w, 8 + run, 0) & 63);
  return (lanes_mask)((bits_at(w, 8 + run, 4) & 15) | (bits_at(w, 4 + run, 6) & 3) << 4);
}

/// Where the unit of a K block's scales is, and that of its minimums.
LANES_INLINE size_t unit_of(const unsigned type) {
  return type == BELLE_Q2_K ? 80 : type == BELLE_Q3_K ? 108 : type == BELLE_Q6_K ? 208 : 0;
}

/// Runs of weights of a K block that have a scale each.
LANES_INLINE unsigned runs_of(const unsigned type) { return has_half_scales(type) ? 16 : 8; }

/// Scales and minimums of up to 16 runs of a chunk, by run; of blocks of 32 by block.
typedef struct {
  lanes scale[16], minimum[16];
} run_scales;

LANES_INLINE void scales_of_chunk(const unsigned type, const uint8_t *w, size_t blocks, run_scales *s) {
  if (is_short(type)) {
    for (size_t b = 0; b < blocks; b++) {
      s->scale[b] = half_at(w, b * size_of(type));
      s->minimum[b] = has_minimums(type) ? half_at(w, b * size_of(type) + 2) : lanes_all(0);
    }
    return;
  }
  const lanes d = half_at(w, unit_of(type)), dmin = half_at(w, unit_of(type) + (has_minimums(type) ? 2 : 0));
#pragma clang loop unroll(full)
  for (unsigned run = 0; run < runs_of(type); run++) {
    s->scale[run] = d * __builtin_convertvector(multiple_at(type, w, run), lanes);
    if (!has_minimums(type)) continue;
    s->minimum[run] = -(dmin * __builtin_convertvector(minimum_multiple_at(type, w, run), lanes));
  }
}

/// The place of 32 weights in a chunk. `is_second` says whether the number is odd, and is known when this is compiled:
/// then so are the shifts.
LANES_INLINE place place_of(const unsigned type, const uint8_t *words, unsigned number, const bool is_second) {
  if (!is_short(type)) return (place){words, 0, number};
  return (place){words + 64 * (number * size_of(type) / 4), is_second ? size_of(type) % 4 : 0, 0};
}

/// Calls a function for each strip of a piece of work `w`, with the type known when this is compiled, and what follows.
#define EACH_STRIP_OF(type, call, ...) \
  case type: \
    for (size_t strip = w->from; strip < w->to; strip++) call(w, strip, type __VA_OPT__(, ) __VA_ARGS__); \
    break
#define EACH_STRIP(...) \
  switch (w->weights->type) { \
    EACH_STRIP_OF(BELLE_Q4_0, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q4_1, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q5_0, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q5_1, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q8_0, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q2_K, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q3_K, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q4_K, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q5_K, __VA_ARGS__); \
    EACH_STRIP_OF(BELLE_Q6_K, __VA_ARGS__); \
    default: break; \
  }

#endif
