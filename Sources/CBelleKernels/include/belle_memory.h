// How fast memory is, and what becomes of freed blocks.
#ifndef BELLE_MEMORY_H
#define BELLE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// Lets freed blocks of up to 32 MB serve the next allocations instead of going back to the system, at most 64 MB of
/// them at the end of a heap: a page that comes anew costs as much as a few thousand FLOP. Does nothing without glibc.
void belle_keep_freed_memory(void);

/// The exclusive or of all whole 64-bit words: does nothing but read, so that a benchmark knows how fast that can be.
uint64_t belle_read_memory(belle_variant variant, const uint8_t *bytes, size_t count);

#endif
