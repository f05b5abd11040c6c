// OpenBLAS: CBLAS and the Fortran symbols of LAPACK (LAPACKE is not in Debian's package).
#include <cblas.h>

// LAPACK 3.9, SRC/spotrf.f and dpotrf.f: A = UᵀU or LLᵀ, column-major; info > 0 names the pivot that was not positive.
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
