import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import TestSupport

@testable import Quantize

extension BlockFormat {
  static let q5_0 = BlockFormat(known: .q5_0)
  static let q4_K = BlockFormat(known: .q4_K)
}

extension Grid {
  static let q4_0 = BlockFormat.q4_0.grid
  static let q4_1 = BlockFormat.q4_1.grid
  static let q5_0 = BlockFormat.q5_0.grid
  static let q4_K = BlockFormat.q4_K.grid
  static let q5_1 = BlockFormat(known: .q5_1).grid
}

/// The tensors of a safetensors fixture.
struct Tensors: Sendable {
  private let source: SafetensorsFile

  init(_ path: String) {
    do { source = try SafetensorsFile(InputFile(project("Tests/Fixtures/" + path))) } catch {
      preconditionFailure("\(error)")
    }
  }

  func shape(_ name: String) -> [Int]? { source.tensors.first { $0.name == name }?.shape }

  private func bytes(_ name: String) throws -> [UInt8] {
    guard let index = source.tensors.firstIndex(where: { $0.name == name }) else { return [] }
    var result: [UInt8] = []
    try source.read(index) { part in
      part.withUnsafeBytes { result += Array($0) }
    }
    return result
  }

  func values<Value: BitwiseCopyable>(_ name: String, as type: Value.Type) throws -> [Value] {
    try bytes(name).withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<Value>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)
      }
    }
  }

  func matrix(_ name: String) throws -> Matrix<Float> {
    let shape = shape(name) ?? [0, 0]
    return Matrix(rows: shape[0], columns: shape[1], try values(name, as: Float.self))
  }
}

/// The same numbers in double precision.
func doubles(_ m: Matrix<Float>) -> Matrix<Double> {
  let result = Matrix<Double>(rows: m.rows, columns: m.columns)
  let (from, to) = (m.slice.base, result.slice.base)
  for i in 0..<m.rows * m.columns { to[i] = Double(from[i]) }
  return result
}

/// W − Ŵ in double precision.
func difference(_ weights: Matrix<Float>, _ values: Matrix<Float>) -> Matrix<Double> {
  let result = Matrix<Double>(rows: weights.rows, columns: weights.columns)
  let (w, v, to) = (weights.slice.base, values.slice.base, result.slice.base)
  for i in 0..<weights.rows * weights.columns { to[i] = Double(w[i]) - Double(v[i]) }
  return result
}

/// tr(M·H·Mᵀ).
func energy(_ m: Matrix<Double>, _ hessian: Matrix<Double>) -> Double {
  let product = Matrix<Double>(rows: m.rows, columns: m.columns)
  gemm(m.slice, hessian.slice, into: product.slice)
  let (x, y) = (m.slice.base, product.slice.base)
  var sum = 0.0
  for i in 0..<m.rows * m.columns { sum += x[i] * y[i] }
  return sum
}

/// tr(E·H·Eᵀ) / tr(W·H·Wᵀ) in double, from the definition; H symmetric and complete.
func relativeError(_ weights: Matrix<Float>, _ values: Matrix<Float>, _ hessian: Matrix<Float>) -> Double {
  let h = doubles(hessian)
  return energy(difference(weights, values), h) / energy(doubles(weights), h)
}

/// A layer with correlated inputs, from a seed.
struct RandomProblem {
  let weights: Matrix<Float>
  let hessian: Matrix<Float>
  let inputs: Matrix<Float>

  init(rows: Int, columns: Int, tokens: Int? = nil, seed: UInt64, dead: Set<Int> = []) {
    var generator = SplitMix64(seed: seed)
    func normal() -> Float {
      var sum: Float = 0
      for _ in 0..<6 { sum += Float(generator.next() >> 40) / Float(1 << 24) - 0.5 }
      return sum
    }
    let tokens = tokens ?? 2 * columns
    weights = Matrix(rows: rows, columns: columns, (0..<rows * columns).map { _ in normal() * 0.05 })
    // Few strong directions that all inputs share, and noise.
    let rank = max(2, columns / 8)
    let hidden = Matrix<Float>(rows: tokens, columns: rank, (0..<tokens * rank).map { _ in normal() })
    let mixing = Matrix<Float>(rows: rank, columns: columns, (0..<rank * columns).map { _ in normal() })
    inputs = Matrix(rows: tokens, columns: columns, (0..<tokens * columns).map { _ in normal() * 0.5 })
    gemm(hidden.slice, mixing.slice, into: inputs.slice, beta: 1)
    for column in 0..<columns {
      let strength = dead.contains(column) ? 0 : 0.2 + abs(normal())
      for token in 0..<tokens { inputs[token, column] *= strength }
    }
    hessian = Self.hessian(of: inputs)
  }

  /// 2/n · XᵀX, complete.
  static func hessian(of inputs: Matrix<Float>) -> Matrix<Float> {
    let n = inputs.columns
    let h = Matrix<Float>(rows: n, columns: n)
    gemm(inputs.slice, transposeA: true, inputs.slice, into: h.slice, alpha: 2 / Float(inputs.rows))
    for row in 0..<n { for column in 0..<row { h[column, row] = h[row, column] } }
    return h
  }

  func quantized(_ grid: Grid, _ recipe: Recipe, threads: Int = 2) throws -> QuantizedLayer {
    try GPTQ.quantize(
      weights.slice, hessian: hessian.copy(), grid: grid, recipe: recipe, layer: "random", threads: threads)
  }

  func error(_ layer: QuantizedLayer) -> Double { relativeError(weights, layer.dequantized(), hessian) }
}
