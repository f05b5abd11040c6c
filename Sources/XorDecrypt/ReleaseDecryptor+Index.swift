// A release's index, once it is decrypted, says which files there must be.

import ByteIO
import Checksum

extension ReleaseDecryptor {
  /// The largest index, in bytes.
  private static let indexLimit = 64 << 20

  /// Files that the indexes of the release name, and that are neither outputs nor in the output folder.
  ///
  /// - Parameter failures: files that did not come out right; their loss is told already.
  func absentFiles(besides failures: [DecryptItem]) throws -> [(name: String, index: String)] {
    guard plan.isFolder else { return [] }
    let failed = Set(failures.map(\.input))
    let made = Set(plan.items.map(\.outputName) + plan.ignored + plan.absent)
    var absent: [(name: String, index: String)] = []
    for item in plan.items where item.outputName.hasSuffix(".index.json") && !failed.contains(item.input) {
      guard item.problem == nil, item.plainSize <= Self.indexLimit else { continue }
      for name in Self.files(of: try plainBytes(of: item, count: item.plainSize)) where !made.contains(name) {
        let path = Folder.join(plan.outputFolder, name)
        if Folder.kind(of: path) == nil, !absent.contains(where: { $0.name == name }) {
          absent.append((name, item.outputName))
        }
      }
    }
    return absent
  }

  /// The files that an index names, sorted; none where it is no index. Paths are whoever's who reads the model.
  private static func files(of bytes: [UInt8]) -> [String] {
    var names: Set<String> = []
    do {
      var json = try JSONReader(bytes)
      try json.largeObject { json, name in
        guard name.elementsEqual("weight_map".utf8), json.peek() == UInt8(ascii: "{") else { return try json.skip() }
        try json.largeObject { json, _ in
          if case .string(let file) = try json.scalar(), !file.contains("/"), file != ".." { names.insert(file) }
        }
      }
    } catch {
      return []
    }
    return names.sorted()
  }
}
