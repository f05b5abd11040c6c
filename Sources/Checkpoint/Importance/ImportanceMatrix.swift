// llama.cpp's importance matrices: of each matrix of a model the mean square of each of its inputs, over some text. Two
// files hold them: GGUF with `general.type` imatrix, and what there was before that (ImportanceMatrix+Former.swift).
// Source: llama.cpp, tools/imatrix/imatrix.cpp (save_imatrix), common/imatrix-loader.cpp.
// Refused: values that are negative or no numbers, names that occur twice, entries without their counts, and more than
// `valueLimit` values; sums of several matrices of one name (experts) are not told apart here.

import ByteIO

/// Of the matrices of a model, how much each of their inputs matters.
package struct ImportanceMatrix: Sendable, Equatable {
  /// For each matrix, by its name in llama.cpp's files (`blk.0.attn_q.weight`), the mean square of each input.
  package private(set) var means: [String: [Float]] = [:]
  /// How many pieces of text it was made from.
  package let chunks: Int
  /// What these were.
  package let datasets: [String]

  /// Values of all entries together: those of the largest models, with all their experts, are a tenth of it.
  static let valueLimit = 1 << 30
  private static let (sums, counts) = (".in_sum2", ".counts")
  private static let (kindKey, kind) = ("general.type", "imatrix")

  init(chunks: Int, datasets: [String]) { (self.chunks, self.datasets) = (chunks, datasets) }

  /// Opens a file of either form.
  ///
  /// - Throws: ``CheckpointError`` with the entry, or the byte, where a rule is broken.
  /// - Complexity: all values are in memory.
  package init(_ file: any ByteSource) throws {
    guard GGUFFile.isRecognized(try file.bytes(count: 4)) else {
      self = try Self.former(file)
      return
    }
    try self.init(GGUFFile(file), path: file.path)
  }

  private init(_ file: GGUFFile, path: String) throws {
    guard file.values[Self.kindKey]?.string == Self.kind else {
      throw CheckpointError(
        .unknownFormat, file: path,
        reason: "expected an importance matrix, with \(Self.kindKey) \(Self.kind), found "
          + (file.values[Self.kindKey]?.string.map { "\(Self.kindKey) \(displayName($0))" } ?? "no \(Self.kindKey)"),
        remedy: "llama-imatrix writes such files")
    }
    var datasets: [String] = []
    if case .array(.string, let names)? = file.values["imatrix.datasets"] { datasets = names.compactMap(\.string) }
    self.init(chunks: file.values["imatrix.chunk_count"]?.integer ?? 0, datasets: datasets)
    let places = file.indicesByName()
    var total = 0
    for (index, info) in file.tensors.enumerated() where info.name.hasSuffix(Self.sums) {
      let name = String(info.name.dropLast(Self.sums.count))
      guard let other = places[name + Self.counts] else {
        throw Self.failure(.badTensor, path, name, "its \(Self.counts) is missing")
      }
      for tensor in [info, file.tensors[other]] {
        total += tensor.elementCount
        guard tensor.dtype == .f32 else {
          throw Self.failure(.unsupportedType, path, name, "expected F32 values, found \(tensor.dtype.rawValue)")
        }
        guard total <= Self.valueLimit else {
          throw Self.failure(.limit, path, name, "there are more than \(Self.valueLimit) values")
        }
      }
      let counts = try Self.values(file, other)
      guard let count = counts.first, counts.count == 1, count > 0, count.isFinite else {
        throw Self.failure(
          .malformed, path, name,
          counts.count == 1
            ? "it was made from \(counts[0]) tokens" : "it is of \(counts.count) matrices, as experts are",
          counts.count == 1 ? nil : "models with experts are not read here")
      }
      try add(name, Self.values(file, index).map { $0 / count }, path)
    }
    guard !means.isEmpty else { throw Self.empty(path) }
  }

  private static func values(_ file: GGUFFile, _ index: Int) throws -> [Float] {
    let bytes = try file.allBytes(index)
    // SAFETY: loads are of four bytes within the array, by an offset that needs no alignment.
    return unsafe bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map {
        Float(bitPattern: UInt32(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
  }

  static func empty(_ path: String) -> CheckpointError {
    CheckpointError(.malformed, file: path, reason: "the importance matrix has no entries")
  }

  static func failure(
    _ code: CheckpointErrorCode, _ path: String, _ name: String, _ reason: String, _ remedy: Remedy? = nil
  ) -> CheckpointError {
    CheckpointError(code, file: path, place: displayName(name), reason: reason, remedy: remedy)
  }

  /// Adds an entry.
  mutating func add(_ name: String, _ values: [Float], _ path: String) throws(CheckpointError) {
    guard values.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw Self.failure(.malformed, path, name, "a mean of squares is negative, infinite or no number")
    }
    guard means.updateValue(values, forKey: name) == nil else {
      throw Self.failure(.malformed, path, name, "it occurs twice")
    }
  }
}

// MARK: Writing

/// An importance matrix as a GGUF file: what `llama-quantize` takes.
package struct ImportanceMatrixFile: GGUFDescribed {
  /// What the container is.
  package var format: String { "gguf" }
  /// Of each matrix the sums of squares, and the number of tokens, by name.
  package var tensors: [TensorInfo] { view.tensors }
  /// What the file says besides.
  package let values: GGUFMetadata
  /// The same as text.
  package var metadata: [(name: String, value: String)] { values.entries.map { ($0.key, $0.value.text) } }

  private let view: TensorView

  /// A file.
  ///
  /// - Parameters:
  ///   - sums: for each matrix, by its name in llama.cpp's files, Σ x² of each input over all tokens.
  ///   - chunks: how many pieces of text.
  ///   - chunkSize: tokens of a piece.
  ///   - datasets: what they are.
  package init(sums: [String: [Float]], chunks: Int, chunkSize: Int, datasets: [String]) throws {
    var values = GGUFMetadata()
    values["general.type"] = .string("imatrix")
    values["imatrix.datasets"] = .array(.string, datasets.map { .string($0) })
    values["imatrix.chunk_count"] = .uint32(UInt32(clamping: chunks))
    values["imatrix.chunk_size"] = .uint32(UInt32(clamping: chunkSize))
    self.values = values
    let count = Float(chunks * chunkSize)
    view = try TensorView(
      sums.sorted { $0.key < $1.key }.flatMap { name, sums in
        [
          TensorView.Entry("\(name).in_sum2", .f32, [sums.count], Self.bytes(sums)),
          TensorView.Entry("\(name).counts", .f32, [1], Self.bytes([count])),
        ]
      })
  }

  private static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
  }

  /// What a tensor's values are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor { try view.cursor(index) }

  /// The values stand in memory.
  package func storedRange(_ index: Int) -> Range<Int>? { nil }

  /// There is nothing to verify.
  package func verifyChecksums() throws {}

  /// Writes the file.
  ///
  /// - Returns: false where another file has the name and `replacing` is false.
  package func write(as name: String, in folder: String, replacing: Bool) throws -> Bool {
    try Container.gguf.write(
      self, Array(tensors.indices), metadata: [:], as: name, in: folder, replacing: replacing, isChecked: true,
      progress: { _ in })
  }
}
