// Token files: safetensors or npy with an integer tensor [rows, length], each row a window of its own. `FILE:NAME` picks a
// tensor where the file holds several.

import ByteIO
import Checkpoint
import Transformer

/// A file of tokens.
package enum TokenFile {
  /// A path as the user gives it: the file, and the tensor that is meant, where one is named.
  static func split(_ argument: String) -> (path: String, name: String?) {
    // A file may have a colon in its own name.
    if Folder.kind(of: argument) == .file { return (argument, nil) }
    guard let colon = argument.lastIndex(of: ":") else { return (argument, nil) }
    return (String(argument[..<colon]), String(argument[argument.index(after: colon)...]))
  }

  /// Whether an argument names a token file.
  package static func isOne(_ argument: String) -> Bool {
    let path = split(argument).path
    return path.hasSuffix(".safetensors") || path.hasSuffix(".npy")
  }

  /// Reads the windows of a file.
  ///
  /// - Parameters:
  ///   - argument: `FILE` or `FILE:NAME`.
  ///   - vocabularySize: every token must be below it.
  /// - Throws: ``CalibrationError``, `CheckpointError` or `ByteIOError`.
  package static func windows(_ argument: String, vocabularySize: Int) throws -> TokenWindows {
    let (path, name) = split(argument)
    let source = try Checkpoint.open(file: path)
    let matches = source.tensors.indices.filter { index in
      let info = source.tensors[index]
      return name.map { $0 == info.name } ?? (info.shape.count == 2 && types.contains(info.dtype))
    }
    guard let index = matches.first, matches.count == 1 else {
      let names = source.tensors.map { displayName($0.name) }.joined(separator: ", ")
      let reason =
        name.map { "there is no tensor \(displayName($0)) in it, but \(names)" }
        ?? (matches.isEmpty
          ? "there is no integer tensor [rows, length] in it, but \(names)"
          : "there are several integer tensors in it: \(names)")
      throw CalibrationError(
        .unknownForm, file: path, reason: reason,
        remedy: "name a tensor of integers, [rows, length], as in \(path):NAME")
    }
    let info = source.tensors[index]
    guard info.shape.count == 2, types.contains(info.dtype) else {
      throw CalibrationError(
        .unknownForm, file: path,
        reason:
          "\(displayName(info.name)) is \(info.dtype.rawValue) \(info.shape), and integers [rows, length] are wanted")
    }
    guard info.shape[0] > 0, info.shape[1] > 0 else {
      throw CalibrationError(.tooShort, file: path, reason: "\(displayName(info.name)) is empty: \(info.shape)")
    }
    guard info.byteCount <= 4 << 30 else {
      throw CalibrationError(.limit, file: path, reason: "\(info.byteCount) bytes of tokens are too many")
    }
    var tokens: [Int32] = []
    tokens.reserveCapacity(info.elementCount)
    try source.read(index) { part in
      try append(part, info.dtype, to: &tokens) { token, place in
        guard token >= 0, token < vocabularySize else {
          throw CalibrationError(
            .badToken, file: path, place: "row \(place / info.shape[1])",
            reason: "token \(token) is not in the vocabulary of \(vocabularySize)",
            remedy: "the tokens were made with another model's tokenizer")
        }
      }
    }
    return TokenWindows(tokens, length: info.shape[1])
  }

  private static let types: [DType] = [.i32, .i64, .u32, .u64, .u16, .i16, .u8]

  private static func append(
    _ part: RawSpan, _ dtype: DType, to tokens: inout [Int32], _ check: (Int64, Int) throws -> Void
  ) throws {
    let size = dtype.bitCount / 8
    // SAFETY: offsets are multiples of the size below the span's end; any bit pattern is an integer.
    try unsafe part.withUnsafeBytes { bytes in
      for offset in stride(from: 0, through: bytes.count - size, by: size) {
        let value: Int64 =
          switch dtype {
          case .u8: Int64(unsafe bytes[offset])
          case .i16: Int64(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
          case .u16: Int64(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
          case .i32: Int64(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
          case .u32: Int64(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
          // A 64-bit number beyond Int64 turns negative, and so is refused.
          default: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self)
          }
        try check(value, tokens.count)
        tokens.append(Int32(truncatingIfNeeded: value))
      }
    }
  }
}
