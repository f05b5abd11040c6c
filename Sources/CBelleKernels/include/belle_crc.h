// CRC-32 of zip's members, by carry-less multiplication.
#ifndef BELLE_CRC_H
#define BELLE_CRC_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// Takes the first bytes of `data` into a CRC-32, as zlib's crc32 would: polynomial 0x04C11DB7, reflected.
///
/// - `crc`: of what came before, 0 for nothing; afterwards that of the bytes taken as well.
/// - Returns how many bytes were taken: a multiple of 64; 0 for fewer than 64, for the scalar variant, and where the
///   processor has no carry-less multiplication. The rest is for zlib.
size_t belle_crc32_fold(belle_variant variant, uint32_t *crc, const uint8_t *data, size_t count);

#endif
