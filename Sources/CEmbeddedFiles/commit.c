// Where this build comes from.

#include "embedded_files.h"

#include <stddef.h>

const char *belle_commit(void) {
#ifdef BELLE_COMMIT
  return BELLE_COMMIT[0] ? BELLE_COMMIT : NULL;
#else
  return NULL;
#endif
}
