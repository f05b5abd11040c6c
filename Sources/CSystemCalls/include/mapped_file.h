// Files in memory without a copy, for reading. One that becomes shorter, or that its disk cannot read any more, ends a
// process that looks there by SIGBUS; here it reads as zeros from then on, and whoever mapped it is told when they ask.
// Every function answers 0 or an errno value.
#ifndef BELLE_MAPPED_FILE_H
#define BELLE_MAPPED_FILE_H

#include <stdint.h>

/// A mapped file: bytes at `start`.
typedef struct {
  const void *start;
  int64_t size;
  int slot;  ///< where it is noted for the handler.
} belle_mapping;

/// Maps the first `size` bytes of a file, at least one. ENFILE where too many are mapped already: 1024.
int belle_map_file(int descriptor, int64_t size, belle_mapping *mapping);

/// Gives the memory back; nobody may look there any more.
void belle_unmap_file(const belle_mapping *mapping);

/// Brings a part into memory, so that looking there costs nothing afterwards: all its pages at once, where the system can.
void belle_fetch_mapped(const belle_mapping *mapping, int64_t offset, int64_t length);

/// Lets the whole pages of a part go, which come back where somebody looks there.
void belle_release_mapped(const belle_mapping *mapping, int64_t offset, int64_t length);

/// Whether somebody looked where there was nothing (any more), and was given zeros.
int belle_has_lost_pages(const belle_mapping *mapping);

#endif
