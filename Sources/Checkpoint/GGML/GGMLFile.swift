// Reads the model files that llama.cpp had before GGUF: `ggml` without a version, `ggmf` 1, `ggjt` 1 to 3. A magic, seven
// numbers, the tokens, and then records to the end of the file: dimensions, the length of the name, the type; the dimensions,
// innermost first; the name; in ggjt zeros up to a multiple of 32 of the file; the values. Names, and the order of rows, are
// those of Meta's layout. What the number of a type means depends on the version: CBelleKernels/block_types.c.
// Source: llama.cpp of March to August 2023, llama.cpp (llama_file_loader) and convert.py.
// Refused: other versions; counts and lengths that the file has no room for, or no model has; names that occur twice, are no
// UTF-8 or too long; types that the version does not have; shapes that are no whole blocks; records that do not end in the
// file. Files of ggml's other programs begin as those without a version do, and are refused where they differ.

import ByteIO
import CBelleKernels

/// A model file of llama.cpp's before GGUF, open.
public struct GGMLFile: TensorSource {
  /// A kind of file.
  struct Kind: Sendable, Equatable {
    /// What a file begins with: the magic's bytes.
    let magic: [UInt8]
    /// The version behind it; nil where there is none.
    let version: UInt32?
    /// What the numbers of types mean in it.
    let generation: belle_generation
    /// What it is called.
    let name: String

    static let all = [
      Kind(magic: Array("lmgg".utf8), version: nil, generation: BELLE_GGJT_1, name: "ggml"),
      Kind(magic: Array("fmgg".utf8), version: 1, generation: BELLE_GGJT_1, name: "ggmf 1"),
      Kind(magic: Array("tjgg".utf8), version: 1, generation: BELLE_GGJT_1, name: "ggjt 1"),
      Kind(magic: Array("tjgg".utf8), version: 2, generation: BELLE_GGJT_2, name: "ggjt 2"),
      Kind(magic: Array("tjgg".utf8), version: 3, generation: BELLE_GGJT_3, name: "ggjt 3"),
    ]

    var isAligned: Bool { magic == Array("tjgg".utf8) }
  }

  /// Tokens that a file has at most, bytes of one, tensors, bytes of a name, and what a measure is at most.
  private static let (tokenLimit, tokenSizeLimit, tensorLimit, nameLimit) = (4 << 20, 1 << 16, 1 << 16, 256)
  private static let measureLimit = 1 << 24
  private static let alignment = 32

  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  /// What the file says of the model.
  public let hyperparameters: GGMLHyperparameters
  /// Its tokens.
  public let vocabulary: GGMLVocabulary
  /// What the container is: `ggml`, `ggmf 1`, `ggjt 1` to `ggjt 3`.
  public var format: String { kind.name }
  /// The seven numbers at its head.
  public var metadata: [(name: String, value: String)] { hyperparameters.entries }
  /// Whether it was written in the time of Llama 2: in the container of its first weeks.
  package var mayBeLlama2: Bool { kind.generation == BELLE_GGJT_3 }

  let kind: Kind
  private let values: Values

  /// Where the tensors' values are.
  private enum Values: Sendable {
    /// In a file, at these places.
    case file(any ByteSource, [Range<Int>])
    /// In several files, each of which has a part of each tensor.
    case parts(MergedShards)
  }

  /// Whether a file begins as one of these does.
  static func isRecognized(_ head: [UInt8]) -> Bool { Kind.all.contains { head.starts(with: $0.magic) } }

  /// Opens a file and checks its head and its records; no values of tensors are read.
  ///
  /// - Throws: ``CheckpointError`` with the byte where a rule is broken.
  public init(_ file: any ByteSource) throws {
    var cursor = ByteCursor(file)
    let kind = try Self.kind(&cursor)
    hyperparameters = try Self.readHyperparameters(&cursor, kind)
    vocabulary = try Self.readVocabulary(&cursor, kind, count: hyperparameters.vocabularySize)
    let (tensors, places) = try Self.readRecords(&cursor, kind, file)
    (self.tensors, self.kind, values) = (tensors, kind, .file(file, places))
  }

  /// Parts of one model, whose first one says what the model is.
  init(_ first: GGMLFile, merging shards: MergedShards) {
    (hyperparameters, vocabulary, kind) = (first.hyperparameters, first.vocabulary, first.kind)
    (tensors, values) = (shards.tensors, .parts(shards))
  }

  /// What a file is that breaks a rule; those without a version share their magic with other programs' files.
  private static func failure(
    _ cursor: ByteCursor, _ kind: Kind, _ code: CheckpointErrorCode, at offset: Int, _ reason: String
  ) -> CheckpointError {
    let error = cursor.failure(code, at: offset, reason)
    guard kind.version == nil, error.remedy == nil else { return error }
    return CheckpointError(
      code, file: error.file, place: error.place, reason: reason,
      remedy: "other programs of ggml's (bloomz.cpp, GPT-J's, whisper.cpp) wrote files that begin so; read are those "
        + "of llama.cpp")
  }

  private static func kind(_ cursor: inout ByteCursor) throws -> Kind {
    let magic = Array(try cursor.take(4, "the magic"))
    let kinds = Kind.all.filter { $0.magic == magic }
    guard let first = kinds.first else {
      throw cursor.failure(.unknownFormat, at: 0, "this is no model file of llama.cpp's from before GGUF")
    }
    guard first.version != nil else { return first }
    let version = try cursor.integer(UInt32.self, "the version")
    guard let kind = kinds.first(where: { $0.version == version }) else {
      throw cursor.failure(
        .unknownFormat, at: 4,
        "this is \(first.name.dropLast(2)) version \(version); expected "
          + (kinds.count == 1 ? "1" : "1 to \(kinds.count)"))
    }
    return kind
  }

  private static func readHyperparameters(_ cursor: inout ByteCursor, _ kind: Kind) throws -> GGMLHyperparameters {
    var numbers: [Int] = []
    for name in GGMLHyperparameters.names {
      let start = cursor.at
      let number = Int(try cursor.integer(Int32.self, name))
      guard (name == "ftype" ? 0...measureLimit : 1...measureLimit).contains(number) else {
        throw failure(
          cursor, kind, .malformed, at: start,
          "this is a \(kind.name) file, whose \(name) is \(number); expected 1 to \(measureLimit)")
      }
      numbers.append(number)
    }
    let read = GGMLHyperparameters(numbers)
    guard read.hiddenSize % read.headCount == 0, read.rotarySize == read.hiddenSize / read.headCount else {
      throw failure(
        cursor, kind, .malformed, at: cursor.at - 28,
        "n_embd is \(read.hiddenSize), n_head \(read.headCount) and n_rot \(read.rotarySize); expected n_rot to be the "
          + "width of a head, n_embd by n_head")
    }
    return read
  }

  private static func readVocabulary(
    _ cursor: inout ByteCursor, _ kind: Kind, count: Int
  ) throws -> GGMLVocabulary {
    let hasScores = kind.version != nil
    guard count <= tokenLimit else {
      throw cursor.failure(.limit, at: cursor.at, "\(count) tokens; at most \(tokenLimit) are read")
    }
    guard count <= cursor.left / (hasScores ? 8 : 4) else {
      throw cursor.failure(
        .truncated, at: cursor.at, "\(count) tokens take more than the \(cursor.left) bytes that are left")
    }
    var vocabulary = GGMLVocabulary()
    var scores: [Float] = []
    for id in 0..<count {
      let start = cursor.at
      let length = try cursor.integer(UInt32.self, "the length of token \(id)")
      guard length <= tokenSizeLimit else {
        throw failure(
          cursor, kind, .malformed, at: start, "token \(id) has \(length) bytes; expected at most \(tokenSizeLimit)")
      }
      vocabulary.append(try cursor.take(Int(length), "token \(id)"))
      if hasScores { scores.append(Float(bitPattern: try cursor.integer(UInt32.self, "the score of token \(id)"))) }
    }
    vocabulary.scores = hasScores ? scores : nil
    return vocabulary
  }

  private static func readRecords(
    _ cursor: inout ByteCursor, _ kind: Kind, _ file: any ByteSource
  ) throws -> ([TensorInfo], [Range<Int>]) {
    var tensors: [TensorInfo] = []
    var places: [Range<Int>] = []
    var names: Set<[UInt8]> = []
    while cursor.left > 0 {
      let start = cursor.at
      let malformed = { [cursor] (offset: Int, reason: String) in
        failure(cursor, kind, .malformed, at: offset, reason)
      }
      guard tensors.count < tensorLimit else {
        throw cursor.failure(.limit, at: start, "more than \(tensorLimit) tensors")
      }
      let dimensions = try cursor.integer(Int32.self, "the number of dimensions of a tensor")
      let length = try cursor.integer(Int32.self, "the length of a tensor's name")
      let number = try cursor.integer(UInt32.self, "the type of a tensor")
      guard (1...2).contains(dimensions) else {
        throw malformed(start, "a tensor has \(dimensions) dimensions; expected 1 or 2")
      }
      guard length >= 1, length <= nameLimit else {
        throw malformed(start + 4, "a tensor's name has \(length) bytes; expected 1 to \(nameLimit)")
      }
      // The innermost comes first.
      var shape: [Int] = []
      for _ in 0..<dimensions { shape.insert(Int(try cursor.integer(Int32.self, "a dimension of a tensor")), at: 0) }
      let nameAt = cursor.at
      let bytes = Array(try cursor.take(Int(length), "a tensor's name"))
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw malformed(nameAt, "a tensor's name is not UTF-8")
      }
      let what = "tensor \(displayName(name))"
      guard names.insert(bytes).inserted else { throw malformed(nameAt, "\(what) occurs twice") }
      guard let dtype = DType(ggmlNumber: number, in: kind.generation) else {
        throw cursor.failure(
          .unsupportedType, at: start + 8, "\(what) has the type \(number), which \(kind.name) does not have")
      }
      guard shape.allSatisfy({ (1...measureLimit).contains($0) }), let size = TensorInfo.size(of: shape, dtype) else {
        throw malformed(
          start + 12, "\(what) has shape \(shape), which is no shape, or not a whole number of \(dtype.rawValue) blocks"
        )
      }
      let padding = kind.isAligned ? (alignment - cursor.at % alignment) % alignment : 0
      guard padding <= cursor.left, size.bytes <= cursor.left - padding else {
        throw cursor.failure(
          .truncated, at: cursor.at,
          "\(what) takes \(size.bytes) bytes, and \(max(0, cursor.left - padding)) are left in the file")
      }
      cursor.skip(padding)
      places.append(cursor.at..<cursor.at + size.bytes)
      tensors.append(TensorInfo(name: name, dtype: dtype, shape: shape, file: file.path, byteCount: size.bytes))
      cursor.skip(size.bytes)
    }
    return (tensors, places)
  }

  /// What a tensor's values, or its blocks, are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    switch values {
    case .file(let file, let places):
      FileCursor(file, places[index], unit: tensors[index].dtype.block?.bytes ?? 1)
    case .parts(let shards): try shards.cursor(index)
    }
  }

  /// Where a tensor's values lie in its file; nil where each part has a part of it.
  public func storedRange(_ index: Int) -> Range<Int>? {
    switch values {
    case .file(_, let places): places[index]
    case .parts(let shards): shards.storedRange(index)
    }
  }

  /// The format has no checksums.
  public func verifyChecksums() {}
}
