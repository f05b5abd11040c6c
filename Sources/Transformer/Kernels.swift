// The variant of the C kernels that runs.

import CBelleKernels

/// Which variant of the kernels runs.
enum Kernels {
  /// The best that this processor has: asked once.
  static let variant = belle_best_variant()
}
