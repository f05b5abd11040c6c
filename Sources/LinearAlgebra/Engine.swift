// The state of the BLAS library: one thread a call, and kernels that fit this processor.
// Why kernels must be chosen here: OpenBLAS knows processors by model number, and gives one that is newer than itself its
// Haswell kernels (256-bit) even where AVX-512 is there: half of the rate (measured with 0.3.21 on a Zen 5).

import CBelleKernels
import COpenBLAS
import Foundation

/// What does the arithmetic.
public enum Engine {
  /// The name of the engine and of its kernels: `OpenBLAS 0.3.21 …, SkylakeX`.
  public static var name: String {
    prepare()
    // SAFETY: both are constant C strings of the library.
    return unsafe String(cString: openblas_get_config()) + ", kernels " + String(cString: openblas_get_corename())
  }

  /// How many threads are used where nothing else is said: as many as the system runs at once.
  public static var defaultThreads: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }

  /// Called before every use of the BLAS; costs a load and a comparison after the first time.
  @inline(__always) static func prepare() { _ = prepared }

  private static let prepared: Bool = {
    chooseKernels()
    // Layer after layer takes workspaces of the same sizes.
    belle_keep_freed_memory()
    // Threads are ours: tiles of fixed size, so that sums have one order at any thread count.
    openblas_set_num_threads(1)
    return true
  }()

  /// Replaces Haswell's kernels by SkylakeX's where the processor has all of that one's instruction sets.
  ///
  /// OpenBLAS reads OPENBLAS_CORETYPE when it is loaded, which is before this program begins; its two functions for that
  /// are called once more. Where they are missing, or someone has set the variable, everything stays as it is.
  private static func chooseKernels() {
    #if os(Linux) && arch(x86_64)
      let variable = "OPENBLAS_CORETYPE"
      let present = unsafe String(cString: openblas_get_corename())
      guard belle_processor_is_skylakex(), ["Haswell", "Zen"].contains(present),
        ProcessInfo.processInfo.environment[variable] == nil,
        let quit = unsafe dlsym(nil, "gotoblas_dynamic_quit"), let start = unsafe dlsym(nil, "gotoblas_dynamic_init")
      else { return }
      typealias Function = @convention(c) () -> Void
      // SAFETY: both are `void f(void)` in OpenBLAS's driver/others/dynamic.c; no call of the BLAS runs yet, because all
      // of this program's calls come after `prepared`.
      unsafe setenv(variable, "SkylakeX", 1)
      unsafe unsafeBitCast(quit, to: Function.self)()
      unsafe unsafeBitCast(start, to: Function.self)()
      unsafe unsetenv(variable)
    #endif
  }
}
