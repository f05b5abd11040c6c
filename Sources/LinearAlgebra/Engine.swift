// The state of the BLAS library: one thread a call, and kernels that fit this processor.
// Why kernels must be chosen here: OpenBLAS knows processors by model number, and gives one that is newer than itself its
// Haswell kernels (256-bit) even where AVX-512 is there (half of the rate, measured with 0.3.21 on a Zen 5), or Prescott's
// (128-bit, without fused products: `evaluate` took three times as long on a Xeon of 2025).

import ByteIO
import CBelleKernels
import COpenBLAS
import Foundation
import Synchronization

/// What does the arithmetic.
public enum Engine {
  /// Makes sure that there is a BLAS: to be called before the first product.
  ///
  /// - Throws: ``ByteIOError`` with code `.missingLibrary`.
  public static func require() throws(ByteIOError) {
    guard belle_openblas() != BELLE_OPENBLAS_READY else { return }
    throw .missing(
      library: "OpenBLAS", need: "products of matrices", isOther: belle_openblas() == BELLE_OPENBLAS_UNKNOWN,
      // SAFETY: a constant C string.
      said: unsafe String(cString: belle_openblas_problem()), package: "libopenblas0", variable: "BELLE_OPENBLAS")
  }

  /// The name of the engine and of its kernels: `OpenBLAS 0.3.21 …, SkylakeX`.
  public static var name: String {
    guard belle_openblas() == BELLE_OPENBLAS_READY else { return "none: OpenBLAS is not here (Debian: libopenblas0)" }
    prepare()
    // SAFETY: both are constant C strings of the library.
    return unsafe String(cString: openblas_get_config()) + ", kernels " + String(cString: openblas_get_corename())
  }

  /// The widest vectors that our own kernels use here.
  public static var vectorUnit: String {
    switch belle_best_variant() {
    case BELLE_AVX512: "AVX-512"
    case BELLE_AVX2: "AVX2"
    case BELLE_NEON: "NEON"
    default: "scalar"
    }
  }

  /// How many threads are used where nothing else is said: as many as the system runs at once.
  public static var defaultThreads: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }

  /// How many threads may use the BLAS at once: those that there is memory for.
  static var threadLimit: Int { foundLimit.load(ordering: .relaxed) }

  private static let foundLimit = Atomic<Int>(.max)

  /// What OpenBLAS maps for each thread that uses it, in bytes; on x86-64 and with its usual settings.
  private static let bufferSize = 128 << 20

  /// Sets aside what the BLAS needs for so many threads. Without that it waits for ever where its memory is not to be had;
  /// where there is only some, fewer threads compute.
  ///
  /// - Throws: ``ByteIOError`` where there is not enough for one, or no BLAS.
  public static func reserve(threads: Int) throws {
    try require()
    prepare()
    // The library stops the process where it has no place for more of them.
    let wanted = min(threads, 64)
    guard let first = unsafe belle_openblas_symbol("blas_memory_alloc"),
      let second = unsafe belle_openblas_symbol("blas_memory_free")
    else { return }
    typealias Take = @convention(c) (Int32) -> UnsafeMutableRawPointer?
    typealias Give = @convention(c) (UnsafeMutableRawPointer?) -> Void
    // SAFETY: `void *blas_memory_alloc(int)` and `void blas_memory_free(void *)` of OpenBLAS's driver/others/memory.c. What
    // is given back stays mapped, for the calls that follow.
    let take = unsafe unsafeBitCast(first, to: Take.self)
    let give = unsafe unsafeBitCast(second, to: Give.self)
    var buffers = unsafe [UnsafeMutableRawPointer?]()
    defer { unsafe buffers.forEach { unsafe give($0) } }
    // The library's own threads, which never work here, take one each when they first run: before this, or at any time after
    // it. Nobody is told which, so theirs are set aside too.
    let own = isAddressSpaceLimited() ? libraryThreads.load(ordering: .relaxed) : 0
    while unsafe buffers.count < wanted + own {
      // Something must be left for the matrices themselves.
      guard canMap(bufferSize + 32 << 20) else { break }
      unsafe buffers.append(take(0))
    }
    let count = unsafe buffers.count - own
    guard count > 0 else {
      throw ByteIOError(
        .system(ENOMEM), reason: "cannot set \(byteCount(bufferSize)) of address space aside for the matrix product",
        remedy: "raise the limit (ulimit -v)")
    }
    if count < wanted { foundLimit.store(count, ordering: .relaxed) }
  }

  /// Whether so much memory could be mapped.
  private static func canMap(_ bytes: Int) -> Bool {
    // SAFETY: fresh pages that nobody uses are mapped and given back.
    guard let pages = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0),
      unsafe pages != MAP_FAILED
    else { return false }
    unsafe munmap(pages, bytes)
    return true
  }

  /// Called before every use of the BLAS; costs a load and a comparison after the first time.
  @inline(__always) static func prepare() { _ = prepared }

  private static let prepared: Bool = {
    precondition(belle_openblas() == BELLE_OPENBLAS_READY, "OpenBLAS was not asked for before it was used")
    chooseKernels()
    // Layer after layer takes workspaces of the same sizes.
    belle_keep_freed_memory()
    // Threads are ours: tiles of fixed size, so that sums have one order at any thread count.
    libraryThreads.store(max(0, Int(openblas_get_num_threads()) - 1), ordering: .relaxed)
    openblas_set_num_threads(1)
    return true
  }()

  /// The threads that the library made when it was loaded, besides the one that calls it; known once it is prepared.
  private static let libraryThreads = Atomic<Int>(0)

  /// The kernels that this processor should have: SkylakeX's or Haswell's, where it has all of their instruction sets, and
  /// those that OpenBLAS chose have narrower vectors; nil where its choice is as good.
  static func betterKernels(than chosen: String) -> String? {
    let narrow = [
      "Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom", "Barcelona", "Bobcat", "Sandybridge", "Generic",
    ]
    let isNarrow = narrow.contains { $0.caseInsensitiveCompare(chosen) == .orderedSame }
    if belle_processor_is_skylakex() { return isNarrow || ["Haswell", "Zen"].contains(chosen) ? "SkylakeX" : nil }
    return isNarrow && belle_variant_available(BELLE_AVX2) ? "Haswell" : nil
  }

  /// Replaces the kernels that OpenBLAS chose where others fit the processor better.
  ///
  /// OpenBLAS reads OPENBLAS_CORETYPE when it is loaded, which is before this program begins; its two functions for that
  /// are called once more. Where they are missing, or someone has set the variable, everything stays as it is.
  private static func chooseKernels() {
    #if os(Linux) && arch(x86_64)
      let variable = "OPENBLAS_CORETYPE"
      let present = unsafe String(cString: openblas_get_corename())
      guard let better = betterKernels(than: present),
        ProcessInfo.processInfo.environment[variable] == nil,
        let quit = unsafe belle_openblas_symbol("gotoblas_dynamic_quit"),
        let start = unsafe belle_openblas_symbol("gotoblas_dynamic_init")
      else { return }
      typealias Function = @convention(c) () -> Void
      // SAFETY: both are `void f(void)` in OpenBLAS's driver/others/dynamic.c; no call of the BLAS runs yet, because all
      // of this program's calls come after `prepared`.
      unsafe setenv(variable, better, 1)
      unsafe unsafeBitCast(quit, to: Function.self)()
      unsafe unsafeBitCast(start, to: Function.self)()
      unsafe unsetenv(variable)
    #endif
  }
}
