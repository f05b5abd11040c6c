// GGUF's blocks from integers: what a QuantizedLayer on a block's grid becomes in a file, without loss.
// Source of the layouts: ggml, src/ggml-common.h; the kernels are in gguf_blocks.c.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra
import Packed

/// The types of blocks that GPTQ can quantize for.
public enum BlockFormat: String, Sendable, Codable, CaseIterable {
  /// 32 weights, d·(q − 8).
  case q4_0 = "Q4_0"
  /// 32 weights, d·q + m.
  case q4_1 = "Q4_1"
  /// 32 weights, d·(q − 16).
  case q5_0 = "Q5_0"
  /// 32 weights, d·q + m.
  case q5_1 = "Q5_1"
  /// 32 weights, d·q, q signed.
  case q8_0 = "Q8_0"
  /// 256 weights in eight groups, d·scale·q − dmin·minimum.
  case q4_K = "Q4_K"
  /// The same with integers of 5 bits.
  case q5_K = "Q5_K"

  /// The grid whose values are exactly those of the block.
  public var grid: Grid {
    switch self {
    case .q4_0: .q4_0
    case .q4_1: .q4_1
    case .q5_0: .q5_0
    case .q5_1: .q5_1
    case .q8_0: .q8_0
    case .q4_K: .q4_K
    case .q5_K: .q5_K
    }
  }

  /// The type in files.
  var dtype: DType? { DType(rawValue: rawValue) }
  /// ggml's number of the type.
  public var number: UInt32 { dtype?.ggmlNumber ?? 0 }
  /// Weights of a block.
  public var elements: Int { dtype?.block?.elements ?? 1 }
  /// Bytes of a block.
  public var byteCount: Int { dtype?.block?.bytes ?? 0 }

  var kernel: belle_block { belle_block(rawValue: number) }
}

/// A layer as blocks, row after row.
public struct PackedBlocks: Sendable, Equatable {
  /// The blocks' type.
  public let format: BlockFormat
  /// Outputs.
  public let rows: Int
  /// Inputs.
  public let columns: Int
  /// The blocks.
  public let bytes: [UInt8]

  /// Packs a quantized layer.
  ///
  /// - Parameters:
  ///   - layer: on the format's grid; its groups may be larger, where they are whole blocks.
  ///   - format: the blocks' type.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` with code `.notStorable` where the blocks would stand for other values than the layer.
  public init(
    _ layer: QuantizedLayer, as format: BlockFormat, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) {
    let (grid, wanted, weights) = (layer.grid, format.grid, layer.weights)
    let groupSize = grid.groupSize ?? weights.inFeatures
    guard grid.bits == wanted.bits, grid.form == wanted.form, grid.precision == .half,
      grid.superGroup == wanted.superGroup, weights.groupSize != nil,
      grid.superGroup == nil ? groupSize % format.elements == 0 : grid.groupSize == wanted.groupSize,
      weights.inFeatures > 0, weights.inFeatures % format.elements == 0
    else {
      throw QuantizeError(
        .notStorable, place: layer.report.layer,
        reason: "\(weights.inFeatures) inputs on this grid are no \(format.rawValue) blocks",
        remedy: "quantize on the grid of \(format.rawValue)")
    }
    self.format = format
    (rows, columns) = (weights.outFeatures, weights.inFeatures)
    let blocks = weights.inFeatures / format.elements
    let integers = weights.integers(ofRows: 0..<rows)
    if grid.superGroup == nil {
      let repeats = groupSize / format.elements
      let expand = { (values: [Float]) -> [Float] in
        guard repeats > 1 else { return values }
        return (0..<weights.outFeatures * blocks).map {
          values[$0 / blocks * weights.groupCount + $0 % blocks / repeats]
        }
      }
      bytes = Self.packed(
        integers, scales: try Self.halves(expand(weights.scales), layer),
        minimums: grid.form == .minimum ? try Self.halves(expand(weights.minimums), layer) : nil, format,
        rows: weights.outFeatures, blocks: blocks, threads: threads)
    } else {
      let units = try SuperBlockUnits(layer)
      bytes = Self.packed(
        integers, units, scales: try Self.halves(units.scaleUnits, layer),
        minimums: try Self.halves(units.minimumUnits, layer), format, rows: weights.outFeatures, blocks: blocks,
        threads: threads)
    }
  }

  /// The bits of half-precision numbers that are representable there.
  private static func halves(_ values: [Float], _ layer: QuantizedLayer) throws(QuantizeError) -> [UInt16] {
    var result: [UInt16] = []
    result.reserveCapacity(values.count)
    for value in values {
      guard let half = Half(exactly: value) else {
        throw QuantizeError(
          .notStorable, place: layer.report.layer, reason: "a scale that half precision does not have",
          remedy: "quantize with half-precision scales")
      }
      result.append(half.bits)
    }
    return result
  }

  private static func packed(
    _ integers: [UInt8], scales: [UInt16], minimums: [UInt16]?, _ format: BlockFormat, rows: Int, blocks: Int,
    threads: Int
  ) -> [UInt8] {
    let (count, size) = (rows * blocks, format.byteCount)
    // SAFETY: for each block the arrays have its integers, its scale and its minimum, and the result its bytes.
    return unsafe [UInt8](unsafeUninitializedCapacity: count * size) { buffer, filled in
      let out = unsafe Output(base: buffer.baseAddress)
      forEachTile(rows, threads: threads) { row in
        unsafe integers.withUnsafeBufferPointer { integers in
          unsafe scales.withUnsafeBufferPointer { scales in
            unsafe (minimums ?? []).withUnsafeBufferPointer { minimums in
              guard let q = integers.baseAddress, let s = scales.baseAddress, let to = unsafe out.base else { return }
              let at = row * blocks
              unsafe belle_pack_levels(
                format.kernel, q + at * format.elements, s + at,
                minimums.isEmpty ? nil : minimums.baseAddress.map { unsafe $0 + at },
                to + at * size, blocks)
            }
          }
        }
      }
      filled = count * size
    }
  }

  private static func packed(
    _ integers: [UInt8], _ units: SuperBlockUnits, scales: [UInt16], minimums: [UInt16], _ format: BlockFormat,
    rows: Int, blocks: Int, threads: Int
  ) -> [UInt8] {
    let (count, size) = (rows * blocks, format.byteCount)
    // SAFETY: as above; a block has eight groups.
    return unsafe [UInt8](unsafeUninitializedCapacity: count * size) { buffer, filled in
      let out = unsafe Output(base: buffer.baseAddress)
      forEachTile(rows, threads: threads) { row in
        unsafe integers.withUnsafeBufferPointer { integers in
          unsafe units.scales.withUnsafeBufferPointer { six in
            unsafe units.minimums.withUnsafeBufferPointer { least in
              unsafe scales.withUnsafeBufferPointer { d in
                unsafe minimums.withUnsafeBufferPointer { dmin in
                  guard let q = integers.baseAddress, let six = six.baseAddress, let least = least.baseAddress,
                    let d = d.baseAddress, let dmin = dmin.baseAddress, let to = unsafe out.base
                  else { return }
                  let at = row * blocks
                  unsafe belle_pack_super_levels(
                    format.kernel, q + at * format.elements, six + at * 8, least + at * 8, d + at, dmin + at,
                    to + at * size, blocks)
                }
              }
            }
          }
        }
      }
      filled = count * size
    }
  }

  /// A pointer that the rows share; each writes blocks of its own.
  @unsafe private struct Output: @unchecked Sendable { let base: UnsafeMutablePointer<UInt8>? }
}
