// GGUF's blocks from integers: what a QuantizedLayer on a block's grid becomes in a file, without loss.
// Source of the layouts: ggml, src/ggml-common.h; the kernels are in blocks.c.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra
import Packed

/// A type of blocks that GPTQ can quantize for: those of the table that are written.
package struct BlockFormat: RawRepresentable, Sendable, Hashable, CaseIterable {
  /// What is known of the type.
  package let block: BlockType
  /// The grid whose values are exactly those of the block.
  package let grid: Grid

  /// The format of a type; nil where integers cannot be packed into it.
  package init?(_ block: BlockType) {
    guard let grid = Grid(block) else { return nil }
    (self.block, self.grid) = (block, grid)
  }

  /// The format of a type by its name, in capitals.
  package init?(rawValue: String) {
    guard let block = DType(rawValue: rawValue).flatMap({ BlockType($0) }) else { return nil }
    self.init(block)
  }

  /// The format of a type that the table has as one.
  init(known type: DType) {
    guard let format = BlockType(type).flatMap({ BlockFormat($0) }) else {
      preconditionFailure("the table of blocks says nothing of \(type.rawValue)")
    }
    self = format
  }

  /// 32 weights, d·(q − 8).
  package static let q4_0 = BlockFormat(known: .q4_0)
  /// 32 weights, d·q + m.
  package static let q4_1 = BlockFormat(known: .q4_1)
  /// 32 weights, d·q, q signed.
  package static let q8_0 = BlockFormat(known: .q8_0)

  /// All of them, in the table's order.
  package static let allCases: [BlockFormat] = BlockType.all.compactMap { BlockFormat($0) }

  /// The type's name.
  package var rawValue: String { block.dtype.rawValue }
  /// The type in files.
  package var type: DType { block.dtype }
  /// Weights of a block.
  package var elements: Int { block.elements }
  /// Bytes of a block.
  package var byteCount: Int { block.bytes }

  var kernel: belle_block { belle_block(rawValue: block.number) }
}

/// A layer as blocks, row after row.
package struct PackedBlocks: Sendable, Equatable {
  /// The blocks' type.
  package let format: BlockFormat
  /// Outputs.
  package let rows: Int
  /// Inputs.
  package let columns: Int
  /// The blocks.
  package let bytes: [UInt8]

  /// Packs a quantized layer.
  ///
  /// - Parameters:
  ///   - layer: on the format's grid; its groups may be larger, where they are whole blocks.
  ///   - format: the blocks' type.
  ///   - threads: how many to use.
  /// - Throws: ``QuantizeError`` with code `.notStorable` where the blocks would stand for other values than the layer.
  package init(
    _ layer: QuantizedLayer, as format: BlockFormat, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) {
    let (grid, wanted, weights) = (layer.grid, format.grid, layer.weights)
    let groupSize = grid.groupSize ?? weights.inFeatures
    guard grid.bits == wanted.bits, grid.form == wanted.form, grid.precision == .half,
      grid.superBlock == wanted.superBlock, grid.levels == wanted.levels, weights.groupSize != nil,
      grid.superBlock == nil ? groupSize % format.elements == 0 : grid.groupSize == wanted.groupSize,
      weights.inFeatures > 0, weights.inFeatures % format.elements == 0
    else {
      throw QuantizeError(
        .notStorable, place: layer.report.layer,
        reason: "\(weights.inFeatures) inputs on this grid do not make \(format.rawValue) blocks",
        remedy: "quantize on the grid of \(format.rawValue)")
    }
    self.format = format
    (rows, columns) = (weights.outFeatures, weights.inFeatures)
    let blocks = weights.inFeatures / format.elements
    let integers = weights.integers(ofRows: 0..<rows)
    if let superBlock = grid.superBlock {
      let units = try SuperBlockUnits(layer, superBlock)
      bytes = Self.packed(
        integers, units, groups: superBlock.groups, scales: try Self.halves(units.scaleUnits, layer),
        minimums: try Self.halves(units.minimumUnits, layer), format, rows: weights.outFeatures, blocks: blocks,
        threads: threads)
    } else {
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
    _ integers: [UInt8], _ units: SuperBlockUnits, groups: Int, scales: [UInt16], minimums: [UInt16],
    _ format: BlockFormat, rows: Int, blocks: Int, threads: Int
  ) -> [UInt8] {
    let (count, size) = (rows * blocks, format.byteCount)
    // SAFETY: as above; for each group of a block there are two multiples.
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
                    format.kernel, q + at * format.elements, six + at * groups, least + at * groups, d + at, dmin + at,
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
