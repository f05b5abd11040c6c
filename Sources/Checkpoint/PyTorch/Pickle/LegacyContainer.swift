// The container of torch 0.1.10 to 1.5: five pickles (magic, protocol, system, the object, the storage keys), then for
// each key a count and the values. A pickled storage is such a file too, as bytes in another pickle.
// Source: torch/serialization.py, _legacy_save and _legacy_load.

import ByteIO

/// The pickles of a legacy file.
struct LegacyContainer {
  /// The object that was saved.
  let object: PickleMachine.Result
  /// The storages' keys, in the order of the file.
  let keys: [String]
  /// Where the first storage's count is.
  let dataStart: Int

  private let file: String
  private let size: Int
  private let dtypes: [String: DType]

  /// The magic number that begins a legacy file, as its pickle holds it: little-endian, after the LONG1 opcode.
  private static let magic: [UInt8] = [0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
  /// The same in protocols 0 and 1, in decimal digits.
  private static let textMagic = Array("L119547037146038801333356L\n.".utf8)

  /// Whether a file begins as a legacy container.
  static func isLegacy(_ head: [UInt8]) -> Bool { magicEnd(head) != nil }

  /// Where the pickle of the magic number ends; nil where the file does not begin with one.
  private static func magicEnd(_ head: [UInt8]) -> Int? {
    if head.starts(with: textMagic) { return textMagic.count }
    guard head.first == 0x80, head.count > 2 else { return nil }
    // From protocol 4 on a frame is around it: the opcode and eight bytes of its length.
    let start = head[2] == 0x95 ? 11 : 2
    return head.dropFirst(start).starts(with: magic) ? start + magic.count : nil
  }

  /// Reads the pickles.
  ///
  /// - Parameters:
  ///   - bytes: the beginning of the file, which holds them.
  ///   - size: the file's size in bytes.
  ///   - isNested: whether the file lies in a pickle.
  ///   - skipped: where names go that are not known, instead of being refused.
  init(
    _ bytes: [UInt8], size: Int, file: String, skipped: SkippedNames? = nil, isNested: Bool = false
  ) throws(CheckpointError) {
    func malformed(_ offset: Int, _ reason: String) -> CheckpointError {
      CheckpointError(.malformed, file: file, place: "byte \(offset)", reason: reason)
    }
    guard let start = Self.magicEnd(bytes) else {
      throw malformed(0, "expected the magic number of torch's legacy container, found other bytes")
    }
    let version = try PickleMachine.run(bytes, from: start, file: file, isNested: isNested)
    guard version.graph.integer(version.root) == 1001 else {
      throw malformed(
        start, "expected protocol 1001 of torch's legacy container, found \(version.graph.summary(version.root))")
    }
    let system = try PickleMachine.run(bytes, from: version.end, file: file, isNested: isNested)
    guard system.graph.isLittleEndian(system.root) else { throw malformed(version.end, "its values are big-endian") }
    object = try PickleMachine.run(bytes, from: system.end, file: file, skipped: skipped, isNested: isNested)
    let list = try PickleMachine.run(bytes, from: object.end, file: file, isNested: isNested)
    guard let elements = list.graph.elements(list.root) else {
      throw CheckpointError(
        .malformedPickle, file: file, place: "byte \(object.end)",
        reason: "expected a list of storage keys, found \(list.graph.summary(list.root))")
    }
    // What a persistent id names first decides, as in torch: also for storages that no tensor uses in the end.
    var dtypes: [String: DType] = [:]
    for storage in object.graph.storages where storage.values == nil && dtypes[storage.key] == nil {
      dtypes[storage.key] = storage.dtype
    }
    var keys: [String] = []
    var seen: Set<String> = []
    for element in elements {
      guard let key = list.graph.string(element), dtypes[key] != nil else {
        throw malformed(
          object.end,
          "expected the key of a storage that a persistent id names, found \(list.graph.summary(element))")
      }
      guard seen.insert(key).inserted else {
        throw malformed(object.end, "two storages are called \(displayName(key))")
      }
      keys.append(key)
    }
    self.keys = keys
    self.dtypes = dtypes
    self.file = file
    self.size = size
    dataStart = list.end
  }

  /// Looks through the pickles of a legacy file that lies in another pickle; that of the magic number has no names.
  static func survey(_ bytes: [UInt8], file: String, into trace: PickleTrace) throws(CheckpointError) {
    var at = magicEnd(bytes) ?? 0
    for _ in 0..<4 { at = try PickleMachine.run(bytes, from: at, file: file, trace: trace, isNested: true).end }
  }

  /// Where the values of the storages are, in the order of the file.
  ///
  /// - Parameter file: the one whose beginning was read.
  func ranges(in file: any ByteSource) throws -> [(key: String, range: Range<Int>)] {
    var at = dataStart
    return try keys.map { key in
      let word = try file.bytes(at: at, count: 8)
      let range = try range(key, at: at, count: word.count == 8 ? word.u64(at: 0) : nil)
      at = range.upperBound
      return (key, range)
    }
  }

  /// Where a storage's values are.
  ///
  /// - Parameters:
  ///   - offset: where its count is.
  ///   - count: its elements; nil where the file ended.
  func range(_ key: String, at offset: Int, count: Int?) throws(CheckpointError) -> Range<Int> {
    guard let count, count >= 0, let itemSize = dtypes[key]?.byteCount,
      case let bytes = count.multipliedReportingOverflow(by: itemSize), !bytes.overflow,
      bytes.partialValue <= size - offset - 8
    else {
      throw CheckpointError(
        .truncated, file: file, place: "byte \(offset)",
        reason: "the storage \(displayName(key)) ends after the end of the file",
        remedy: "the download may be incomplete; download it again")
    }
    return offset + 8..<offset + 8 + bytes.partialValue
  }
}

extension PickleGraph {
  /// Whether a file's system information says that its values are little-endian, or nothing.
  func isLittleEndian(_ root: NodeIndex) -> Bool {
    guard case .dictionary(let number) = nodes[Int(root)] else { return true }
    for (key, value) in dictionaries[number] where string(key) == "little_endian" {
      guard case .bool(true) = nodes[Int(value)] else { return false }
    }
    return true
  }
}
