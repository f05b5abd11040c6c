// How the C library treats large blocks that were freed.
#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

#include "belle_kernels.h"

void belle_keep_freed_memory(void) {
#if defined(__GLIBC__)
  // The largest size that glibc takes; larger blocks go back to the system at once.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}
