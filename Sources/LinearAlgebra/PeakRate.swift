// What this machine's matrix product can do: the ceiling that every figure of speed is held against.

import Foundation

/// The rates of this machine's BLAS.
public enum PeakRate {
  /// FLOP a second of a large float32 product on the given threads, the best of a few runs.
  ///
  /// - Parameters:
  ///   - threads: how many.
  ///   - size: rows and columns of the matrices; the default takes a fraction of a second a run and 48 MB.
  ///   - runs: how many runs, after one that does not count.
  public static func gemm(threads: Int = Engine.defaultThreads, size: Int = 2048, runs: Int = 5) -> Double {
    let a = Matrix<Float>(rows: size, columns: size, repeating: 0.5)
    let b = Matrix<Float>(rows: size, columns: size, repeating: 0.25)
    let c = Matrix<Float>(rows: size, columns: size)
    return best(runs, flop: 2 * pow(Double(size), 3)) {
      LinearAlgebra.gemm(a.slice, b.slice, transposeB: true, into: c.slice, threads: threads)
    }
  }

  /// FLOP a second of XᵀX (one triangle, n²·k FLOP), the best of a few runs.
  public static func syrk(
    threads: Int = Engine.defaultThreads, size: Int = 2048, depth: Int = 2048, runs: Int = 5
  ) -> Double {
    let a = Matrix<Float>(rows: depth, columns: size, repeating: 0.5)
    let c = Matrix<Float>(rows: size, columns: size)
    return best(runs, flop: Double(size) * Double(size) * Double(depth)) {
      LinearAlgebra.syrk(a.slice, transpose: true, into: c.slice, .upper, threads: threads)
    }
  }

  private static func best(_ runs: Int, flop: Double, _ work: () -> Void) -> Double {
    work()
    let clock = ContinuousClock()
    let seconds = (0..<max(1, runs)).map { _ in clock.measure(work) / .seconds(1) }.min() ?? .infinity
    return flop / seconds
  }
}
