// The tensors of a GPTQ checkpoint from integers: qweight and qzeros hold little-endian streams of bits in 32-bit
// words, qweight along the inputs and qzeros along the outputs.
// Source: BELLE models/gptq/quant.py and GPTQ-for-LLaMa quant_linear.py (QuantLinear.pack); 3 bits cross word boundaries.

import ByteIO
import CBelleKernels
import LinearAlgebra

/// How a checkpoint stores zero points.
public enum ZeroPointForm: String, Sendable, Codable {
  /// Minus one: `checkpoint_format: gptq`. Zero points begin at 1.
  case minusOne = "gptq"
  /// As they are: `gptq_v2`.
  case asTheyAre = "gptq_v2"
}

/// The tensors of one layer as a GPTQ checkpoint holds them.
public struct PackedLayer: Sendable, Equatable {
  /// Bits of an integer: 2, 3, 4 or 8.
  public let bits: Int
  /// Outputs.
  public let rows: Int
  /// Inputs.
  public let columns: Int
  /// Groups of a row.
  public let groups: Int
  /// I32 `[ceil(in·bits/32), out]`.
  public let qweight: [UInt32]
  /// I32 `[groups, ceil(out·bits/32)]`.
  public let qzeros: [UInt32]
  /// `[groups, out]`; for F16 in the file, they are representable there.
  public let scales: [Float]
  /// I32 `[in]`: the group of each input.
  public let groupIndex: [Int32]
  /// How `qzeros` holds zero points.
  public let zeroPoints: ZeroPointForm

  /// Packs a quantized layer.
  ///
  /// - Parameters:
  ///   - quantized: on a grid with zero points, not minimums.
  ///   - zeroPoints: how zero points are stored.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` with code `.notStorable` for 5 bits, for minimums, and for a zero point of 0 that would
  ///   have to be stored minus one.
  public init(
    _ quantized: QuantizedLayer, zeroPoints: ZeroPointForm = .minusOne, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) {
    let layer = quantized.report.layer
    let (bits, rows, columns, groups) = (
      quantized.grid.bits, quantized.rows, quantized.columns, quantized.groups
    )
    guard [2, 3, 4, 8].contains(bits), quantized.grid.form != .minimum else {
      throw QuantizeError(
        .notStorable, place: layer, reason: "a GPTQ checkpoint has 2, 3, 4 or 8 bits and whole zero points",
        remedy: "write GGUF, or choose another grid")
    }
    let less: Float = zeroPoints == .minusOne ? 1 : 0
    guard quantized.zeros.allSatisfy({ $0 >= less && $0 - less <= Float(quantized.grid.maximum) }) else {
      throw QuantizeError(
        .notStorable, place: layer, reason: "a zero point of 0 cannot be stored minus one",
        remedy: "quantize with a lowest zero point of 1, or write checkpoint_format gptq_v2")
    }
    var zeros = [UInt8](repeating: 0, count: rows * groups)
    var scales = [Float](repeating: 0, count: rows * groups)
    for row in 0..<rows {
      for group in 0..<groups {
        zeros[group * rows + row] = UInt8(quantized.zeros[row * groups + group] - less)
        scales[group * rows + row] = quantized.scales[row * groups + group]
      }
    }
    let size = quantized.grid.groupSize ?? max(1, columns)
    self.bits = bits
    self.rows = rows
    self.columns = columns
    self.groups = groups
    qweight = Self.packed(quantized.integers, rows: rows, columns: columns, bits: bits, threads: threads)
    // Along the outputs: the transpose of one group is the one row of `packed`.
    let zeroWords = (rows * bits + 31) / 32
    var qzeros: [UInt32] = []
    qzeros.reserveCapacity(groups * zeroWords)
    for group in 0..<groups {
      qzeros += Self.packed(
        Array(zeros[group * rows..<(group + 1) * rows]), rows: 1, columns: rows, bits: bits, threads: 1)
    }
    self.qzeros = qzeros
    self.scales = scales
    groupIndex = quantized.groupIndex ?? (0..<columns).map { Int32($0 / size) }
    self.zeroPoints = zeroPoints
  }

  /// Packs `[rows, columns]` along the columns into words `[ceil(columns·bits/32), rows]`.
  private static func packed(_ integers: [UInt8], rows: Int, columns: Int, bits: Int, threads: Int) -> [UInt32] {
    let words = (columns * bits + 31) / 32
    // SAFETY: the kernel writes words · rows words, `strip` rows a call; the array has as many.
    return unsafe [UInt32](unsafeUninitializedCapacity: words * rows) { buffer, count in
      unsafe integers.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, let to = buffer.baseAddress else { return }
        let shared = unsafe Shared(bytes: UnsafeMutablePointer(mutating: from), words: to)
        forEachTile((rows + strip - 1) / strip, threads: threads) { index in
          unsafe belle_pack_inputs(
            shared.bytes, columns, rows, index * strip, min(rows, (index + 1) * strip), columns, UInt32(bits),
            shared.words)
        }
      }
      count = words * rows
    }
  }

  /// Rows of one piece of work.
  private static let strip = 256

  /// Pointers that the pieces share; each writes rows of its own.
  @unsafe private struct Shared: @unchecked Sendable {
    let bytes: UnsafeMutablePointer<UInt8>
    let words: UnsafeMutablePointer<UInt32>
  }
}
