// A storage that was pickled by itself lies in the pickle as a whole legacy file: bytes in bytes, one level deep.
// Source: torch/storage.py, __reduce__ and _load_from_bytes. torch loads those bytes as it loads any file, and runs what
// is in them: a survey looks into them too.

import ByteIO

extension PickleMachine {
  /// `_load_from_bytes(bytes)`.
  mutating func nestedStorage(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard !isNested, let first = arguments.first, case .bytes(let bytes) = graph.nodes[Int(first)],
      LegacyContainer.isLegacy(bytes)
    else {
      throw mismatch(
        "torch.storage._load_from_bytes", expected: "the bytes of a legacy torch file", found: arguments.first,
        .badTensor, at: place)
    }
    try pay(bytes.count)
    do throws(CheckpointError) {
      if let trace {
        let inner = PickleTrace()
        // Where they are in the file is where the bytes are that hold them.
        defer { trace.absorb(inner, at: offset(of: place)) }
        try LegacyContainer.survey(bytes, file: file, into: inner)
      }
      graph.storages.append(try storage(bytes))
    } catch {
      // Its pickles were looked through; its values torch takes for bytes.
      if isSurvey, error.code == .unsupportedType { return try push(.opaque) }
      throw failure(
        "in the storage in the pickle: \(error.place.map { "\($0) of it: " } ?? "")\(error.reason)", error.code,
        at: place, remedy: error.remedy)
    }
    try push(.storage(graph.storages.count - 1))
  }

  private func storage(_ bytes: [UInt8]) throws(CheckpointError) -> PickleStorage {
    let inner = try LegacyContainer(bytes, size: bytes.count, file: file, isNested: true)
    guard inner.keys.count == 1, case .storage(let number) = inner.object.graph.nodes[Int(inner.object.root)],
      case let declared = inner.object.graph.storages[number], declared.key == inner.keys[0], declared.viewKey == nil
    else {
      throw failure(
        "expected one storage, found \(inner.object.graph.summary(inner.object.root)) and \(inner.keys.count) storages",
        .badTensor)
    }
    let count = inner.dataStart <= bytes.count - 8 ? bytes.u64(at: inner.dataStart) : nil
    let range = try inner.range(declared.key, at: inner.dataStart, count: count)
    guard count == declared.count else {
      throw failure("expected a storage of \(declared.count) elements, found one of \(count ?? 0)", .badTensor)
    }
    return PickleStorage(
      dtype: declared.dtype, key: "pickle/\(graph.nodes.count)", count: declared.count, wholeCount: declared.count,
      values: Array(bytes[range]), unread: declared.unread)
  }
}
