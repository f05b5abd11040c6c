// How the deltas of 2023 go into their bases, tensor by tensor, and how one is told from another: by names and shapes.
// Sources: FastChat, fastchat/model/apply_delta.py (v0: fschat 0.1.9); Stanford Alpaca, weight_diff.py;
// Fengshenbang-LM, utils/apply_delta.py; LLaVA, llava/model/apply_delta.py.

import ByteIO
import Checkpoint
import Model

/// A way in which a delta's tensors go into the base's.
package enum DeltaScheme: String, Sendable, CaseIterable {
  /// FastChat's: the sum; rows of tokens that the base does not have are the delta's alone.
  case add
  /// Stanford Alpaca's: the sum in single precision; the base's new row is the mean of the others.
  case alpaca
  /// Ziya's: embedding and head are the delta's, all else the sum.
  case ziya

  /// The type of the results; nil for that of the delta's tensor.
  var dtype: DType? { self == .alpaca ? .f32 : nil }

  /// Whether a tensor is the delta's own.
  func takes(_ name: String) -> Bool {
    switch self {
    case .add: name.contains("mm_projector.")
    case .alpaca: false
    case .ziya: name.contains("embed_tokens") || name.contains("lm_head.weight")
    }
  }

  /// More rows than these are those of another vocabulary.
  private static let fewRows = 16

  /// Tells a delta, or a model that one shall be made of, by the rows of its embedding and its type.
  ///
  /// - Throws: ``MergeError`` with code `.scheme` where nothing says which it is.
  init(of delta: any TensorSource, onto base: any TensorSource, path: String) throws {
    let places = base.indicesByName()
    let tables = delta.tensors.filter { VocabularyNames.contain($0.name) }
    let more = Set(
      tables.compactMap { info in
        places[info.name].flatMap { place in
          info.shape.first.flatMap { rows in base.tensors[place].shape.first.map { rows - $0 } }
        }
      })
    guard let rows = more.first, more.count == 1 else {
      guard more.isEmpty else {
        throw Self.unclear(path, "embedding and head have different numbers of rows beside the base's")
      }
      self = .add
      return
    }
    switch rows {
    case 0: self = .add
    case 1: self = tables.allSatisfy { $0.dtype == .f32 } ? .alpaca : .add
    case (Self.fewRows + 1)...: self = try Self.areDifferences(tables, of: delta, base) ? .add : .ziya
    case ..<0:
      throw MergeError(
        .scheme, file: path, reason: "it has \(-rows) tokens fewer than the base",
        remedy: "give the base that it was made with: nothing here cuts rows off")
    default: throw Self.unclear(path, "it has \(rows) tokens more than the base")
    }
  }

  /// Rows of a table that are looked at.
  private static let sampleRows = 64

  /// Whether the rows that a base has too are small beside the base's, as differences are, and a vocabulary is not.
  private static func areDifferences(
    _ tables: [TensorInfo], of delta: any TensorSource, _ base: any TensorSource
  ) throws -> Bool {
    var (squares, wanted) = (0.0, 0.0)
    for info in tables {
      let places = (delta.indicesByName()[info.name], base.indicesByName()[info.name])
      guard let place = places.0, let there = places.1, let own = info.shape.first,
        let others = base.tensors[there].shape.first
      else { continue }
      let rows = min(own, others)
      for row in stride(from: 0, to: rows, by: max(1, rows / Self.sampleRows)) {
        squares += try square(of: row, delta, place)
        wanted += try square(of: row, base, there)
      }
    }
    return squares < wanted / 4
  }

  /// The sum of squares of a row.
  private static func square(of row: Int, _ source: any TensorSource, _ index: Int) throws -> Double {
    let info = source.tensors[index]
    let size = info.byteCount / max(1, info.shape[0])
    let numbers = try Doubles(info.dtype)
    var values = [Double](repeating: 0, count: size / numbers.size)
    try source.cursor(index).withAll(of: row * size..<(row + 1) * size) { numbers.read($0, into: &values) }
    return values.reduce(0) { $0 + $1 * $1 }
  }

  private static func unclear(_ path: String, _ reason: String) -> MergeError {
    MergeError(
      .scheme, file: path, reason: reason + ", and nothing says what becomes of their rows",
      remedy: "say with \(.scheme(nil)) how it was made, or give the base that it was made with")
  }
}
