// Modules that one dialect has in one matrix and another in several: rows of one tensor that become several tensors, and
// back. Rows move as they are, blocks too; a matrix is put together of blocks only where all its parts have one type.
// Sources: llama.cpp's converters of InternLM2 and Baichuan.

import ByteIO
import Checkpoint

/// Where the rows of a fused matrix lie in its parts.
struct PartedRows: Sendable {
  /// The parts, in the order of the role.
  let parts: [ModelFamily.Role]
  /// For each row of the fused matrix its part and its row there.
  let places: [(part: Int, row: Int)]
  /// For each row of each part its row in the fused matrix.
  let rows: [[Int]]

  /// The rows of q, k and v.
  ///
  /// - Parameters:
  ///   - heads: how they lie in the fused matrix.
  ///   - counts: heads of queries, and of keys.
  ///   - size: rows of a head.
  ///   - orders: of each part in the other dialect, beside Hugging Face's.
  init(
    heads: ModelFamily.FusedHeads, counts: (queries: Int, keys: Int), size: Int, orders: [RowOrder?]
  ) {
    parts = ModelFamily.Role.fusedAttention.parts
    let layout = HeadLayout(heads, queries: counts.queries, keys: counts.keys)
    rows = zip([layout.queries, layout.keys, layout.values], orders).map { heads, order in
      let plain = heads.flatMap { head in (0..<size).map { head * size + $0 } }
      guard let order else { return plain }
      return plain.indices.map { plain[order.source(of: $0, rows: plain.count)] }
    }
    var places = [(part: Int, row: Int)](repeating: (0, 0), count: (counts.queries + 2 * counts.keys) * size)
    for (part, rows) in rows.enumerated() { for (row, place) in rows.enumerated() { places[place] = (part, row) } }
    self.places = places
  }

  /// One part of a fused tensor.
  ///
  /// - Throws: `CheckpointError` with code `.badTensor` where the tensor has other rows.
  func part(_ number: Int, of index: Int, in source: any TensorSource, named name: String) throws -> TensorView.Entry {
    let info = source.tensors[index]
    let rowSize = try self.rowSize(info, rows: places.count)
    let taken = rows[number]
    let shape = [taken.count] + info.shape.dropFirst()
    let part = TensorInfo(
      name: name, dtype: info.dtype, shape: shape, file: info.file, byteCount: taken.count * rowSize)
    return TensorView.Entry(
      part,
      .parts {
        let stored = try source.cursor(index)
        return Self.gathered(byteCount: part.byteCount, rowSize: rowSize) { row, at, bytes in
          let place = taken[row]
          try stored.withAll(of: place * rowSize..<(place + 1) * rowSize) { bytes.replace(from: at, with: $0) }
        }
      })
  }

  /// The fused tensor of its parts.
  ///
  /// - Parameter indices: the parts' numbers in the source; all of one type.
  /// - Throws: `CheckpointError` with code `.badTensor` where they have other rows or columns.
  func whole(of indices: [Int], in source: any TensorSource, named name: String) throws -> TensorView.Entry {
    let infos = indices.map { source.tensors[$0] }
    let sizes = try zip(infos, rows).map { try self.rowSize($0, rows: $1.count) }
    guard Set(sizes).count == 1, Set(infos.map { Array($0.shape.dropFirst()) }).count == 1, let first = infos.first
    else {
      throw CheckpointError(
        .badTensor, file: infos[0].file,
        reason: "\(infos.map { displayName($0.name) }.joined(separator: ", ")) do not have the same columns")
    }
    let size = sizes[0]
    let table = places
    let whole = TensorInfo(
      name: name, dtype: first.dtype, shape: [table.count] + first.shape.dropFirst(), file: first.file,
      byteCount: table.count * size)
    return TensorView.Entry(
      whole,
      .parts {
        let stored = try indices.map { try source.cursor($0) }
        return Self.gathered(byteCount: whole.byteCount, rowSize: size) { row, at, bytes in
          let (part, from) = table[row]
          try stored[part].withAll(of: from * size..<(from + 1) * size) { bytes.replace(from: at, with: $0) }
        }
      })
  }

  private func rowSize(_ info: TensorInfo, rows: Int) throws -> Int {
    guard info.shape.first == rows, rows > 0, info.byteCount % rows == 0, info.byteCount > 0 else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason: "\(displayName(info.name)) has shape \(info.shape), and its heads have \(rows) rows",
        remedy: "the configuration may belong to another model")
    }
    return info.byteCount / rows
  }

  private static func gathered(
    byteCount: Int, rowSize: Int, _ copy: @escaping (_ row: Int, _ at: Int, _ bytes: inout [UInt8]) throws -> Void
  ) -> any TensorCursor {
    let partRows = (streamPartSize + rowSize - 1) / rowSize
    return PartCursor(byteCount: byteCount, partSize: partRows * rowSize) { range, bytes in
      for at in stride(from: 0, to: range.count, by: rowSize) {
        try copy((range.lowerBound + at) / rowSize, at, &bytes)
      }
    }
  }
}
