// The scales of packed weights in lanes, record by record: packed.c's, in a file of their own.
#ifndef BELLE_PACKED_SCALES_H
#define BELLE_PACKED_SCALES_H

#include "belle_packed.h"
#include "lanes.h"

LANES_INLINE bool has_minimums(belle_packed_scales kind) {
  return kind == BELLE_SCALES_HALF_MINIMUM || kind == BELLE_SCALES_SINGLE_MINIMUM || kind == BELLE_SCALES_K32_MINIMUM ||
         kind == BELLE_SCALES_K16_MINIMUM;
}

LANES_INLINE int center_of(unsigned bits, belle_packed_scales kind) {
  const bool counts_from_zero = has_minimums(kind);
  // 8-bit codes are stored less 128, whatever the kind.
  return bits != 8 && counts_from_zero ? 0 : 1 << (bits - 1);
}

typedef int8_t lanes_signed_bytes __attribute__((vector_size(16)));

LANES_INLINE lanes lanes_load_signed_bytes(const uint8_t *from) {
  lanes_signed_bytes value;
  memcpy(&value, from, sizeof value);
  return __builtin_convertvector(__builtin_convertvector(value, lanes_mask), lanes);
}

/// 16-bit numbers as floats.
LANES_INLINE lanes lanes_load_zeros(const uint8_t *from) {
  return __builtin_convertvector(__builtin_convertvector(lanes_load_shorts(from), lanes_mask), lanes);
}

LANES_INLINE bool has_units(belle_packed_scales kind) {
  return kind == BELLE_SCALES_K32_MINIMUM || kind == BELLE_SCALES_K16_MINIMUM || kind == BELLE_SCALES_K16 ||
         kind == BELLE_SCALES_K32;
}

/// A record of scales, and which of its blocks is meant: moved on from block to block, for a division costs as much as
/// some of a block's products. The units of the K kinds are read once a record.
typedef struct {
  const uint8_t *record;
  size_t sub, blocks, size;
  lanes unit, minimum_unit;
} scale_place;

LANES_INLINE void read_units(const belle_packed *p, scale_place *at) {
  if (!has_units(p->kind)) return;
  at->unit = lanes_load_halves(at->record);
  if (has_minimums(p->kind)) at->minimum_unit = lanes_load_halves(at->record + 32);
}

LANES_INLINE void begin_at(const belle_packed *p, const uint8_t *records, size_t block, scale_place *at) {
  at->size = belle_packed_record_bytes(p->kind);
  at->blocks = p->record_blocks;
  at->record = records + block / p->record_blocks * at->size;
  at->sub = block % p->record_blocks;
  read_units(p, at);
}

LANES_INLINE void move_on(const belle_packed *p, size_t block, scale_place *at) {
  if (++at->sub < at->blocks) return;
  at->sub = 0;
  at->record += at->size;
  if (block + 1 < p->blocks) read_units(p, at);
}

/// The scales of a half of a block: 0 for its first 16 inputs, 1 for the others. `shift` and `minimum` are 0 where the
/// kind has none.
LANES_INLINE void lanes_scales(
    const belle_packed *p, const scale_place *at, unsigned half, const int center, lanes *scale, lanes *shift,
    lanes *minimum) {
  const uint8_t *r = at->record;
  const size_t sub = at->sub;
  *shift = lanes_all(0);
  *minimum = lanes_all(0);
  switch (p->kind) {
    case BELLE_SCALES_SINGLE:
    case BELLE_SCALES_SINGLE_ZERO:
      *scale = lanes_load(r);
      if (p->kind == BELLE_SCALES_SINGLE_ZERO) *shift = lanes_all((float)center) - lanes_load_zeros(r + 64);
      break;
    case BELLE_SCALES_HALF:
    case BELLE_SCALES_HALF_ZERO:
      *scale = lanes_load_halves(r);
      if (p->kind == BELLE_SCALES_HALF_ZERO) *shift = lanes_all((float)center) - lanes_load_zeros(r + 32);
      break;
    case BELLE_SCALES_HALF_MINIMUM:
      *scale = lanes_load_halves(r);
      *minimum = lanes_load_halves(r + 32);
      break;
    case BELLE_SCALES_SINGLE_MINIMUM:
      *scale = lanes_load(r);
      *minimum = lanes_load(r + 64);
      break;
    case BELLE_SCALES_K32_MINIMUM:
      *scale = at->unit * lanes_load_bytes(r + 64 + 16 * sub);
      *minimum = -(at->minimum_unit * lanes_load_bytes(r + 64 + 16 * (8 + sub)));
      break;
    case BELLE_SCALES_K16_MINIMUM:
      *scale = at->unit * lanes_load_bytes(r + 64 + 16 * (2 * sub + half));
      *minimum = -(at->minimum_unit * lanes_load_bytes(r + 64 + 16 * (16 + 2 * sub + half)));
      break;
    case BELLE_SCALES_K16:
      *scale = at->unit * lanes_load_signed_bytes(r + 32 + 16 * (2 * sub + half));
      break;
    case BELLE_SCALES_K32: *scale = at->unit * lanes_load_signed_bytes(r + 32 + 16 * sub); break;
    case BELLE_SCALES_NONE: *scale = lanes_all(0); break;
  }
}

#endif
