// A base with a delta's tensors added, or a delta made of two models: a view whose tensors are made as they are read.
// Refused: names that only one side has, but for computed tensors and what a scheme says is the delta's own; shapes of
// another model; a model in the delta's place.

import ByteIO
import Checkpoint
import Foundation
import Model

/// A base with a delta, or the delta of a tuned model.
struct DeltaMerge {
  /// The tensors, in the order of the delta, or of the tuned model.
  let tensors: TensorView
  /// What is found while they are read.
  let figures = MergeFigures()
  /// How many were added to, or taken from.
  let changedCount: Int
  /// How many are the delta's own.
  let takenCount: Int
  /// What is rounded to the results' type before it is added, or alone.
  let conversions: [ConvertedSource]
  /// Whether all shapes are those of LLaMA 7B with one token more.
  let isAlpaca7B: Bool

  /// What Stanford Alpaca's recover script wants the sum of all elements of the 7B model to be, in single precision.
  static let alpacaSum = 50637.1836
  /// What the frequencies of its positions add to that where they are stored, as in 2023: 32 layers' of heads of 128.
  static let alpacaFrequencies = 32 * (0..<64).reduce(0.0) { $0 + pow(10000, -Double($1) / 64) }

  /// A sum of two models, or a difference; nothing is computed but a few norms.
  ///
  /// - Parameters:
  ///   - other: the delta, or the tuned model.
  ///   - dtype: the type of the results; where nil the scheme's, or that of the other's tensor.
  ///   - isReversed: whether a delta is made.
  /// - Throws: ``MergeError`` or `CheckpointError`.
  init(
    _ other: any TensorSource, onto base: any TensorSource, _ scheme: DeltaScheme, dtype: DType?,
    isReversed: Bool = false,
    path: String
  ) throws {
    let places = base.indicesByName()
    if !isReversed { try Self.refuseModel(other, base, places, path) }
    var entries: [TensorView.Entry] = []
    var found: Set<String> = []
    var (changed, taken) = (0, 0)
    var conversions: [ConvertedSource] = []
    for (index, info) in other.tensors.enumerated() {
      try info.checkIsRead()
      let place = places[info.name]
      if ComputedTensors.contains(info) {
        // Both models compute it: the base's is what both have. In a delta it is a difference, zero for the most part, but
        // in Ziya's, to whose script it is nothing to add to.
        if place == nil, !isReversed, scheme == .ziya { entries.append(TensorView.Entry(info, .stored(index))) }
        continue
      }
      found.insert(info.name)
      if place == nil || scheme.takes(info.name) {
        guard scheme.takes(info.name) else {
          throw Self.mismatch(path, "the base has no \(displayName(info.name))")
        }
        taken += 1
        entries.append(try Self.taken(index, of: other, dtype ?? scheme.dtype, &conversions))
        continue
      }
      guard let place else { continue }
      let added = try Self.added(
        (other, index), (base, place), scheme, dtype ?? scheme.dtype ?? info.dtype, isReversed, figures, path,
        &conversions)
      changed += 1
      entries.append(TensorView.Entry(added.info, .parts { try added.cursor() }))
    }
    let missing = base.tensors.filter { !found.contains($0.name) && !ComputedTensors.contains($0) }
    if let first = missing.first {
      throw Self.mismatch(
        path,
        "it has no \(displayName(first.name))\(missing.count > 1 ? ", nor \(missing.count - 1) others" : ""), "
          + "which the base has")
    }
    for (index, info) in base.tensors.enumerated() where !isReversed && ComputedTensors.contains(info) {
      guard other.tensors.contains(where: { $0.name == info.name }) else { continue }
      // By the file tensors are divided among the output's.
      let shown = TensorInfo(
        name: info.name, dtype: info.dtype, shape: info.shape, file: other.tensors.first?.file ?? info.file,
        byteCount: info.byteCount)
      entries.append(TensorView.Entry(shown, .stored(index, of: 1)))
    }
    (changedCount, takenCount, self.conversions) = (changed, taken, conversions)
    // Gate and up of 32 layers.
    isAlpaca7B =
      entries.contains { $0.info.shape == [32001, 4096] } && entries.count { $0.info.shape == [11008, 4096] } == 64
    tensors = try TensorView(entries, of: other, base)
  }

  private static func mismatch(_ path: String, _ reason: String) -> MergeError {
    MergeError(
      .mismatch, file: path, reason: reason,
      remedy: "base and delta must be of one model: give the base that the delta was made with")
  }

  /// A tensor that is the delta's own.
  private static func taken(
    _ index: Int, of source: any TensorSource, _ dtype: DType?, _ conversions: inout [ConvertedSource]
  ) throws -> TensorView.Entry {
    let info = source.tensors[index]
    guard let dtype, dtype != info.dtype, DTypeConversion.isConvertible(info.dtype) else {
      return TensorView.Entry(info, .stored(index))
    }
    let alone = try ConvertedSource(TensorView([TensorView.Entry(info, .stored(index))], of: source), dtype: dtype)
    conversions.append(alone)
    return TensorView.Entry(alone.tensors[0], .parts { try alone.cursor(0) })
  }

  private static func added(
    _ other: (source: any TensorSource, index: Int), _ base: (source: any TensorSource, index: Int),
    _ scheme: DeltaScheme, _ dtype: DType, _ isReversed: Bool, _ figures: MergeFigures, _ path: String,
    _ conversions: inout [ConvertedSource]
  ) throws -> AddedTensor {
    let (info, there) = (other.source.tensors[other.index], base.source.tensors[base.index])
    try there.checkIsRead()
    for info in [info, there] where !DTypeConversion.isConvertible(info.dtype) {
      throw MergeError(
        .form, file: info.file, reason: "\(displayName(info.name)) is \(info.typeName), to which nothing can be added",
        remedy: "take both models in 16 or 32 bits")
    }
    let grows =
      VocabularyNames.contain(info.name) && info.shape.count == 2 && there.shape.count == 2
      && info.shape[1] == there.shape[1] && info.shape[0] > there.shape[0]
    guard info.shape == there.shape || grows else {
      throw mismatch(path, "\(displayName(info.name)) is \(info.shape), and the base's is \(there.shape)")
    }
    guard let size = TensorInfo.size(of: info.shape, dtype) else {
      throw MergeError(.mismatch, file: path, reason: "\(displayName(info.name)) is too large")
    }
    func rounded(_ source: any TensorSource, _ index: Int) throws -> any TensorSource {
      let info = source.tensors[index]
      let alone = try TensorView([TensorView.Entry(info, .stored(index))], of: source)
      guard info.dtype != dtype else { return alone }
      let converted = try ConvertedSource(alone, dtype: dtype)
      conversions.append(converted)
      return converted
    }
    let (one, two) = (try rounded(other.source, other.index), try rounded(base.source, base.index))
    var result = AddedTensor(
      info: TensorInfo(
        name: info.name, dtype: dtype, shape: info.shape, file: info.file, byteCount: size.bytes),
      other: one, otherIndex: 0, base: two, baseIndex: 0, isDifference: isReversed, figures: figures)
    if grows, scheme == .alpaca { result.row = { try meanRow(of: two) } }
    return result
  }

  /// The mean of a matrix's rows, rounded once to its type.
  private static func meanRow(of source: any TensorSource) throws -> [Double] {
    let info = source.tensors[0]
    let (rows, columns) = (info.shape[0], info.shape[1])
    guard rows > 0, columns > 0 else { return [0] }
    let numbers = try Doubles(info.dtype)
    let rowSize = info.byteCount / rows
    var sums = [Double](repeating: 0, count: columns)
    var values = sums
    let cursor = try source.cursor(0)
    for row in 0..<rows {
      try cursor.withAll(of: row * rowSize..<(row + 1) * rowSize) { numbers.read($0, into: &values) }
      for column in 0..<columns { sums[column] += values[column] }
    }
    for column in 0..<columns { sums[column] /= Double(rows) }
    var bytes = [UInt8](repeating: 0, count: rowSize)
    _ = numbers.write(sums, into: &bytes)
    numbers.read(bytes, into: &sums)
    return sums
  }

  /// Refuses a model in place of a delta: its norms are of the base's size, and a delta's are nearly nothing.
  private static func refuseModel(
    _ delta: any TensorSource, _ base: any TensorSource, _ places: [String: Int], _ path: String
  ) throws {
    var (own, differences, squares) = (0.0, 0.0, 0.0)
    var count = 0
    for (index, info) in delta.tensors.enumerated() where count < 8 && info.name.hasSuffix("norm.weight") {
      guard let place = places[info.name], info.shape.count == 1, base.tensors[place].shape == info.shape,
        DTypeConversion.isConvertible(info.dtype), DTypeConversion.isConvertible(base.tensors[place].dtype)
      else { continue }
      count += 1
      for (value, there) in zip(try delta.floats(index), try base.floats(place)) {
        own += Double(value) * Double(value)
        differences += Double(value - there) * Double(value - there)
        squares += Double(there) * Double(there)
      }
    }
    guard squares > 0, own >= squares / 4 else { return }
    let likeness = differences < squares / 4 ? "are much like the base's" : "are as large as a model's"
    throw MergeError(
      .scheme, file: path, reason: "its norms \(likeness): it looks like a model, and a delta's are small",
      remedy: "\(.reversing) makes a delta of two models; adapters and deltas go into a base")
  }
}
