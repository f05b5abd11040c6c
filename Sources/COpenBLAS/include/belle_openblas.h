// OpenBLAS, which is looked for when the program first multiplies (`dlopen`): what multiplies nothing runs without it.
// Functions have the names and arguments of CBLAS (netlib.org/blas, blast-forum/cblas.tgz) and of LAPACK 3.9; each is one
// jump through a table. Nothing of OpenBLAS's headers is used, so that the package builds without them.
#ifndef BELLE_OPENBLAS_H
#define BELLE_OPENBLAS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { CblasRowMajor = 101 } CBLAS_ORDER;
typedef enum { CblasNoTrans = 111, CblasTrans = 112 } CBLAS_TRANSPOSE;
typedef enum { CblasUpper = 121, CblasLower = 122 } CBLAS_UPLO;
typedef enum { CblasNonUnit = 131 } CBLAS_DIAG;
typedef enum { CblasLeft = 141, CblasRight = 142 } CBLAS_SIDE;

/// The functions of the library; null until belle_openblas() has found them.
typedef struct {
  void (*sgemm)(CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, int m, int n, int k, float alpha, const float *a,
                int a_stride, const float *b, int b_stride, float beta, float *c, int c_stride);
  void (*dgemm)(CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, int m, int n, int k, double alpha, const double *a,
                int a_stride, const double *b, int b_stride, double beta, double *c, int c_stride);
  void (*sgemv)(CBLAS_ORDER, CBLAS_TRANSPOSE, int m, int n, float alpha, const float *a, int a_stride, const float *x,
                int x_step, float beta, float *y, int y_step);
  void (*dgemv)(CBLAS_ORDER, CBLAS_TRANSPOSE, int m, int n, double alpha, const double *a, int a_stride,
                const double *x, int x_step, double beta, double *y, int y_step);
  void (*ssyrk)(CBLAS_ORDER, CBLAS_UPLO, CBLAS_TRANSPOSE, int n, int k, float alpha, const float *a, int a_stride,
                float beta, float *c, int c_stride);
  void (*dsyrk)(CBLAS_ORDER, CBLAS_UPLO, CBLAS_TRANSPOSE, int n, int k, double alpha, const double *a, int a_stride,
                double beta, double *c, int c_stride);
  void (*strsm)(CBLAS_ORDER, CBLAS_SIDE, CBLAS_UPLO, CBLAS_TRANSPOSE, CBLAS_DIAG, int m, int n, float alpha,
                const float *a, int a_stride, float *b, int b_stride);
  void (*dtrsm)(CBLAS_ORDER, CBLAS_SIDE, CBLAS_UPLO, CBLAS_TRANSPOSE, CBLAS_DIAG, int m, int n, double alpha,
                const double *a, int a_stride, double *b, int b_stride);
  void (*spotrf)(const char *triangle, const int *n, float *a, const int *stride, int *info);
  void (*dpotrf)(const char *triangle, const int *n, double *a, const int *stride, int *info);
  char *(*get_config)(void);
  char *(*get_corename)(void);
  int (*get_num_threads)(void);
  void (*set_num_threads)(int count);
} belle_openblas_functions;

extern belle_openblas_functions belle_openblas_table;

/// What became of looking for the library.
typedef enum {
  BELLE_OPENBLAS_READY = 0,
  /// There is none.
  BELLE_OPENBLAS_MISSING = 1,
  /// There is one of the name, and it lacks a function.
  BELLE_OPENBLAS_UNKNOWN = 2,
} belle_openblas_state;

/// Looks for the library, once; any thread may ask. Only where it is ready may the functions below be called.
belle_openblas_state belle_openblas(void);

/// What the system says of a library that is missing, or the function that it lacks: a constant text.
const char *belle_openblas_problem(void);

/// The address of another function of it; null where it has none of that name, or is not there.
void *belle_openblas_symbol(const char *name);

static inline void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE transpose_a, CBLAS_TRANSPOSE transpose_b, int m, int n,
                               int k, float alpha, const float *a, int a_stride, const float *b, int b_stride,
                               float beta, float *c, int c_stride) {
  belle_openblas_table.sgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, a_stride, b, b_stride, beta, c,
                             c_stride);
}

static inline void cblas_dgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE transpose_a, CBLAS_TRANSPOSE transpose_b, int m, int n,
                               int k, double alpha, const double *a, int a_stride, const double *b, int b_stride,
                               double beta, double *c, int c_stride) {
  belle_openblas_table.dgemm(order, transpose_a, transpose_b, m, n, k, alpha, a, a_stride, b, b_stride, beta, c,
                             c_stride);
}

static inline void cblas_sgemv(CBLAS_ORDER order, CBLAS_TRANSPOSE transpose, int m, int n, float alpha, const float *a,
                               int a_stride, const float *x, int x_step, float beta, float *y, int y_step) {
  belle_openblas_table.sgemv(order, transpose, m, n, alpha, a, a_stride, x, x_step, beta, y, y_step);
}

static inline void cblas_dgemv(CBLAS_ORDER order, CBLAS_TRANSPOSE transpose, int m, int n, double alpha, const double *a,
                               int a_stride, const double *x, int x_step, double beta, double *y, int y_step) {
  belle_openblas_table.dgemv(order, transpose, m, n, alpha, a, a_stride, x, x_step, beta, y, y_step);
}

static inline void cblas_ssyrk(CBLAS_ORDER order, CBLAS_UPLO triangle, CBLAS_TRANSPOSE transpose, int n, int k,
                               float alpha, const float *a, int a_stride, float beta, float *c, int c_stride) {
  belle_openblas_table.ssyrk(order, triangle, transpose, n, k, alpha, a, a_stride, beta, c, c_stride);
}

static inline void cblas_dsyrk(CBLAS_ORDER order, CBLAS_UPLO triangle, CBLAS_TRANSPOSE transpose, int n, int k,
                               double alpha, const double *a, int a_stride, double beta, double *c, int c_stride) {
  belle_openblas_table.dsyrk(order, triangle, transpose, n, k, alpha, a, a_stride, beta, c, c_stride);
}

static inline void cblas_strsm(CBLAS_ORDER order, CBLAS_SIDE side, CBLAS_UPLO triangle, CBLAS_TRANSPOSE transpose,
                               CBLAS_DIAG diagonal, int m, int n, float alpha, const float *a, int a_stride, float *b,
                               int b_stride) {
  belle_openblas_table.strsm(order, side, triangle, transpose, diagonal, m, n, alpha, a, a_stride, b, b_stride);
}

static inline void cblas_dtrsm(CBLAS_ORDER order, CBLAS_SIDE side, CBLAS_UPLO triangle, CBLAS_TRANSPOSE transpose,
                               CBLAS_DIAG diagonal, int m, int n, double alpha, const double *a, int a_stride, double *b,
                               int b_stride) {
  belle_openblas_table.dtrsm(order, side, triangle, transpose, diagonal, m, n, alpha, a, a_stride, b, b_stride);
}

/// LAPACK 3.9, SRC/spotrf.f and dpotrf.f: A = UᵀU or LLᵀ, column-major; info > 0 names the pivot that was not positive.
static inline void spotrf_(const char *triangle, const int *n, float *a, const int *stride, int *info) {
  belle_openblas_table.spotrf(triangle, n, a, stride, info);
}

static inline void dpotrf_(const char *triangle, const int *n, double *a, const int *stride, int *info) {
  belle_openblas_table.dpotrf(triangle, n, a, stride, info);
}

/// The version and the way in which the library was built: a constant text.
static inline char *openblas_get_config(void) { return belle_openblas_table.get_config(); }

/// The name of the kernels that it uses: a constant text.
static inline char *openblas_get_corename(void) { return belle_openblas_table.get_corename(); }

static inline int openblas_get_num_threads(void) { return belle_openblas_table.get_num_threads(); }

static inline void openblas_set_num_threads(int count) { belle_openblas_table.set_num_threads(count); }

#ifdef __cplusplus
}
#endif

#endif
