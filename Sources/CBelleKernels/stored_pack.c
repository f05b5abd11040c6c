// GGUF's blocks from their file's order into the layout that they are multiplied in (belle_packed), sixteen rows at a
// time: integers to planes of bits, scales to records. packed_load.c does the same a row at a time, for every type, and
// is what tests hold this against.
#include "belle_stored.h"
#include "turned.h"

typedef struct {
  const belle_stored *weights;
  size_t from, to;
  uint8_t *codes, *records;
} pack_work;

LANES_INLINE unsigned bits_of_type(const unsigned type) {
  switch (type) {
    case BELLE_Q2_K: return 2;
    case BELLE_Q3_K: return 3;
    case BELLE_Q5_0: case BELLE_Q5_1: case BELLE_Q5_K: return 5;
    case BELLE_Q6_K: return 6;
    case BELLE_Q8_0: return 8;
    default: return 4;
  }
}

LANES_INLINE uint8_t *put_shorts(uint8_t *to, lanes_words values) {
  const lanes_shorts narrow = __builtin_convertvector(values, lanes_shorts);
  memcpy(to, &narrow, sizeof narrow);
  return to + sizeof narrow;
}

LANES_INLINE uint8_t *put_bytes(uint8_t *to, lanes_words values) {
  const lanes_bytes narrow = __builtin_convertvector(values, lanes_bytes);
  memcpy(to, &narrow, sizeof narrow);
  return to + sizeof narrow;
}

LANES_INLINE uint8_t *put_words(uint8_t *to, lanes_words values) {
  memcpy(to, &values, sizeof values);
  return to + sizeof values;
}

/// 32 integers of each row, in planes.
LANES_INLINE void put_codes_of(const unsigned type, const place *p, uint8_t *to) {
  const unsigned bits = bits_of_type(type);
  lanes_words four[4] = {{0}, {0}, {0}, {0}}, pair[2] = {{0}, {0}}, one = {0};
#pragma clang loop unroll(full)
  for (unsigned k = 0; k < TURNED_BLOCK; k++) {
    const lanes_words code = code_at(type, p, k);
    if (bits == 8) {
      to = put_bytes(to, code);
      continue;
    }
    four[k / 8] |= (code & 15) << 4 * (k % 8);
    pair[k / 16] |= (bits == 6 ? code >> 4 : code & 3) << 2 * (k % 16);
    one |= (code >> (bits - 1) & 1) << k;
  }
  for (unsigned w = 0; w < 4 && bits >= 4 && bits < 8; w++) to = put_words(to, four[w]);
  for (unsigned w = 0; w < 2 && (bits == 2 || bits == 3 || bits == 6); w++) to = put_words(to, pair[w]);
  if (bits == 3 || bits == 5) put_words(to, one);
}

/// The scales of a chunk.
LANES_INLINE uint8_t *put_records(const unsigned type, const uint8_t *words, size_t blocks, uint8_t *to) {
  for (size_t b = 0; b < (is_short(type) ? blocks : 1); b++) {
    const size_t unit = is_short(type) ? b * size_of(type) : unit_of(type);
    to = put_shorts(to, bits_at(words, unit, 0) & 0xFFFF);
    if (has_minimums(type)) to = put_shorts(to, bits_at(words, unit + 2, 0) & 0xFFFF);
  }
  if (is_short(type)) return to;
#pragma clang loop unroll(full)
  for (unsigned run = 0; run < runs_of(type); run++)
    to = put_bytes(to, (lanes_words)multiple_at(type, words, run) & 255);
  if (!has_minimums(type)) return to;
#pragma clang loop unroll(full)
  for (unsigned run = 0; run < runs_of(type); run++)
    to = put_bytes(to, (lanes_words)minimum_multiple_at(type, words, run));
  return to;
}

LANES_INLINE void strip_pack(const pack_work *w, size_t strip, const unsigned type) {
  const belle_stored *p = w->weights;
  const strip_rows rows = rows_of(p, strip, type);
  _Alignas(64) uint8_t words[64 * CHUNK_WORDS];
  uint8_t *codes = w->codes, *records = w->records;
  for (size_t block = 0; block < p->blocks; block += CHUNK_BLOCKS) {
    const size_t count = p->blocks - block < CHUNK_BLOCKS ? p->blocks - block : CHUNK_BLOCKS;
    turn_chunk(&rows, row_size(type, block), row_size(type, count), words);
    records = put_records(type, words, count, records);
    for (unsigned number = 0; number < count; number += 2) {
      const place first = place_of(type, words, number, false), second = place_of(type, words, number + 1, true);
      put_codes_of(type, &first, codes);
      codes += 64 * bits_of_type(type);
      if (number + 1 >= count) break;
      put_codes_of(type, &second, codes);
      codes += 64 * bits_of_type(type);
    }
  }
}

LANES_INLINE void pack_lanes(const pack_work *w) { EACH_STRIP(strip_pack) }

LANES_ALL_VARIANTS(void, pack, (const pack_work *work), (work))

void belle_stored_pack(
    belle_variant variant, const belle_stored *weights, size_t strip, uint8_t *codes, uint8_t *records) {
  const pack_work work = {weights, strip, strip + 1, codes, records};
  LANES_DISPATCH(variant, pack, &work);
}
