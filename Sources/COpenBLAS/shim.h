// OpenBLAS: CBLAS and the Fortran symbols of LAPACK (LAPACKE is not in Debian's package).
#include <cblas.h>
