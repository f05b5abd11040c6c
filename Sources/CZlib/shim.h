// zlib: inflate and CRC-32.
#include <zlib.h>
