// How fast memory can be read, and how the C library treats large blocks that were freed.
#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

#include "belle_memory.h"
#include "lanes.h"

void belle_keep_freed_memory(void) {
#if defined(__GLIBC__)
  // The largest size that glibc takes; larger blocks go back to the system at once.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

static uint64_t read_scalar(const uint8_t *bytes, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= count; i += 8) {
    uint64_t word;
    memcpy(&word, bytes + i, 8);
    sum ^= word;
  }
  return sum;
}

LANES_INLINE uint64_t read_lanes(const uint8_t *bytes, size_t count) {
  lanes_words sum[4] = {{0}, {0}, {0}, {0}};
  size_t i = 0;
  for (; i + sizeof sum <= count; i += sizeof sum) {
    for (size_t c = 0; c < 4; c++) __builtin_prefetch(bytes + i + 4096 + 64 * c);
    for (size_t c = 0; c < 4; c++) sum[c] ^= lanes_load_words(bytes + i + 64 * c);
  }
  const lanes_words all = (sum[0] ^ sum[1]) ^ (sum[2] ^ sum[3]);
  return read_scalar((const uint8_t *)&all, sizeof all) ^ read_scalar(bytes + i, count - i);
}

LANES_VARIANTS(uint64_t, read, (const uint8_t *bytes, size_t count), (bytes, count))

uint64_t belle_read_memory(belle_variant variant, const uint8_t *bytes, size_t count) {
  LANES_DISPATCH(variant, read, bytes, count);
}
