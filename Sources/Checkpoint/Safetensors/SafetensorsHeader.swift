// The header of a safetensors file: u64 length N and N bytes of JSON, an object of `name: {dtype, shape, data_offsets}`
// and `__metadata__`. What is refused: SafetensorsFile.
// Source: github.com/huggingface/safetensors, safetensors/src/tensor.rs and the README's format section.

import ByteIO

/// A header, read.
struct SafetensorsHeader {
  /// A tensor, where its values lie in the file, and the byte where the header speaks of it.
  typealias Entry = (info: TensorInfo, range: Range<Int>, at: Int)

  /// The tensors, in the order of the header.
  private(set) var entries: [Entry] = []
  /// What the file holds besides tensors.
  private(set) var metadata: [(name: String, value: String)] = []

  private let file: any ByteSource
  private let dataStart: Int

  /// The longest header, in bytes.
  private static let sizeLimit = 100_000_000
  /// The most entries of metadata: writers make a handful.
  private static let metadataLimit = 1 << 19
  /// The most dimensions of a tensor. PyTorch's shapes have some, numpy's 64 at most.
  static let dimensionLimit = 1024

  /// Reads a file's header.
  ///
  /// - Throws: ``CheckpointError`` with the byte where a rule is broken.
  init(_ file: any ByteSource) throws {
    self.file = file
    guard file.size >= 8 else {
      throw Self.failure(file, .truncated, 0, "\(file.size) bytes are too few for a safetensors file")
    }
    let stated = try file.bytes(count: 8).u64(at: 0)
    // What no file could hold is a fault of this one, whatever is taken here.
    guard let length = stated, length <= file.size - 8 else {
      throw Self.failure(
        file, .truncated, 0,
        "the header would have \(stated.map(String.init) ?? "more than 2^63") bytes, and the file has only "
          + "\(file.size - 8) after its length")
    }
    guard length <= Self.sizeLimit else {
      throw Self.failure(file, .limit, 0, "its header has \(length) bytes; at most 100 MB are read")
    }
    let header = try file.bytes(at: 8, count: length)
    guard header.first == UInt8(ascii: "{") else {
      throw Self.failure(file, .malformed, 8, "the header does not begin with {")
    }
    dataStart = 8 + length
    do {
      var json = try JSONReader(header, depthLimit: 16)
      try json.object { json, name in
        if name == "__metadata__" { try readMetadata(&json) } else { try readEntry(&json, name) }
      }
      try json.end()
    } catch let error as JSONReader.Failure {
      throw failure(.malformed, 8 + error.offset, error.reason)
    }
  }

  private static func failure(
    _ file: any ByteSource, _ code: CheckpointErrorCode, _ offset: Int, _ reason: String
  ) -> CheckpointError {
    CheckpointError(
      code, file: file.path, place: "byte \(offset)", reason: reason,
      remedy: code == .truncated ? "the file may be cut off: compare its size with the publisher's" : nil)
  }

  private func failure(_ code: CheckpointErrorCode, _ offset: Int, _ reason: String) -> CheckpointError {
    Self.failure(file, code, offset, reason)
  }

  private mutating func readMetadata(_ json: inout JSONReader) throws {
    if json.peek() == UInt8(ascii: "n") { return try json.skip() }
    guard json.peek() == UInt8(ascii: "{") else {
      throw failure(.malformed, 8 + json.at, "tensor __metadata__: its entry is not a JSON object")
    }
    try json.object { json, key in
      _ = json.peek()
      let at = json.at
      guard case .string(let text) = try json.scalar() else {
        throw failure(.malformed, 8 + at, "expected a string in __metadata__, found something else")
      }
      guard metadata.count < Self.metadataLimit else {
        throw failure(.limit, 8 + json.at, "more than \(Self.metadataLimit) entries of metadata")
      }
      metadata.append((key, text))
    }
  }

  private mutating func readEntry(_ json: inout JSONReader, _ name: String) throws {
    let isObject = json.peek() == UInt8(ascii: "{")
    let at = 8 + json.at
    let bad = { [path = file.path] (reason: String) in
      CheckpointError(
        .malformed, file: path, place: "byte \(at)", reason: "tensor \(displayName(name)): \(reason)")
    }
    guard isObject else { throw bad("its entry is not a JSON object") }
    var dtype: DType?
    var shape: [Int]?
    var offsets: [Int]?
    try json.object { json, key in
      let first = json.peek()
      switch (key, first) {
      case ("dtype", UInt8(ascii: "\"")):
        let text = try json.string()
        dtype = DType(rawValue: text).flatMap { $0.isInSafetensors ? $0 : nil }
        if dtype == nil { throw bad("the type \(text) is not known") }
      case ("shape", UInt8(ascii: "[")): shape = try json.naturals(limit: Self.dimensionLimit)
      case ("data_offsets", UInt8(ascii: "[")): offsets = try json.naturals(limit: 2)
      default:
        throw bad(
          "unexpected field \(displayName(key)), or one of another JSON type; expected dtype (text), shape and data_offsets (lists)"
        )
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2 else {
      throw bad(
        "expected a dtype, a shape of at most \(Self.dimensionLimit) whole numbers and two data_offsets, none of them negative"
      )
    }
    guard let size = TensorInfo.size(of: shape, dtype) else {
      throw bad("its shape \(shape) overflows, or does not fill whole bytes with \(dtype.rawValue)")
    }
    guard offsets[0] <= offsets[1] else { throw bad("its data_offsets end before they begin") }
    guard offsets[1] - offsets[0] == size.bytes else {
      throw bad(
        "shape \(shape) of \(dtype.rawValue) takes \(size.bytes) bytes, and its data_offsets are \(offsets[1] - offsets[0]) apart"
      )
    }
    guard offsets[1] <= file.size - dataStart else {
      throw CheckpointError(
        .truncated, file: file.path, place: "byte \(at)",
        reason:
          "tensor \(displayName(name)) ends \(offsets[1] - (file.size - dataStart)) bytes after the end of the file",
        remedy: "the file may be cut off: compare its size with the publisher's")
    }
    entries.append(
      (
        TensorInfo(name: name, dtype: dtype, shape: shape, file: file.path, byteCount: size.bytes),
        dataStart + offsets[0]..<dataStart + offsets[1], at
      ))
  }

  /// The tensors in the order of the file, which they cover to its end.
  ///
  /// - Throws: ``CheckpointError`` with code `.malformed` for gaps, overlaps and bytes that no tensor owns.
  func inFileOrder() throws -> [Entry] {
    var end = dataStart
    let order = entries.indices.sorted {
      (entries[$0].range.lowerBound, entries[$0].range.upperBound) < (
        entries[$1].range.lowerBound, entries[$1].range.upperBound
      )
    }
    for index in order {
      let (info, range, at) = entries[index]
      guard range.lowerBound == end else {
        let what =
          range.lowerBound < end
          ? "overlaps another one" : "begins \(range.lowerBound - end) bytes after the one before it"
        throw failure(.malformed, at, "tensor \(displayName(info.name)) \(what)")
      }
      end = range.upperBound
    }
    guard end == file.size else {
      throw failure(.malformed, end, "\(file.size - end) bytes at the end belong to no tensor")
    }
    return order.map { entries[$0] }
  }
}
