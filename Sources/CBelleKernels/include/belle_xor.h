// XOR of a buffer with a key of the same length: the inner loop of .enc files.
#ifndef BELLE_XOR_H
#define BELLE_XOR_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// data[i] ^= key[i] for 0 <= i < count. `data` and `key` must not overlap.
void belle_xor(belle_variant variant, uint8_t *data, const uint8_t *key, size_t count);

#endif
