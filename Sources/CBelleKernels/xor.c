// XOR of a buffer with a key of the same length: the inner loop of .enc files.
// Bound by memory, not by arithmetic; the variants differ while the data is in the caches, which is how it is called.
#include "belle_xor.h"

#include "lanes.h"

static void xor_scalar(uint8_t *data, const uint8_t *key, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t d, k;
    memcpy(&d, data + i, 8);
    memcpy(&k, key + i, 8);
    d ^= k;
    memcpy(data + i, &d, 8);
  }
  for (; i < count; i++) data[i] ^= key[i];
}

LANES_INLINE void xor_lanes(uint8_t *data, const uint8_t *key, size_t count) {
  size_t i = 0;
  for (; i + sizeof(lanes_words) <= count; i += sizeof(lanes_words)) {
    const lanes_words result = lanes_load_words(data + i) ^ lanes_load_words(key + i);
    memcpy(data + i, &result, sizeof result);
  }
  xor_scalar(data + i, key + i, count - i);
}

LANES_VARIANTS(void, xor, (uint8_t *data, const uint8_t *key, size_t count), (data, key, count))

void belle_xor(belle_variant variant, uint8_t *data, const uint8_t *key, size_t count) {
  LANES_DISPATCH(variant, xor, data, key, count);
}
