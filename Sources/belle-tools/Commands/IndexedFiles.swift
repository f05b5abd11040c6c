// The files that an index names, wherever they are: what a loader opens that is given the index. Unlike those who read the
// weights (ShardedFolder) this refuses no path.

import ByteIO
import Checkpoint

/// The files of a `….index.json`.
struct IndexedFiles {
  private let names: Set<String>
  private let folder: String

  /// More files than this are no model's.
  private static let limit = 100_000
  private static let sizeLimit = 256 << 20

  /// Reads an index; a file of another kind names nothing.
  init(of path: String) throws(CheckpointError) {
    func failure(_ reason: String, at place: Int? = nil) -> CheckpointError {
      CheckpointError(
        .badIndex, file: path, place: place.map { "byte \($0)" },
        reason: "\(reason): the files that it names were not looked at",
        remedy: "look at the files that it names yourself, or do not use it")
    }
    var names: Set<String> = []
    do {
      let file = try InputFile(path)
      guard file.size <= Self.sizeLimit else { throw failure("\(file.size) bytes are too many for an index") }
      // Whatever begins otherwise is no JSON object in any encoding.
      let start = try file.bytes(count: 4096).drop {
        $0 == 0 || $0 <= 0x20 || [0xEF, 0xBB, 0xBF, 0xFE, 0xFF].contains($0)
      }
      if start.first == UInt8(ascii: "{") {
        var json = try JSONReader(try file.bytes(count: file.size), depthLimit: 1000)
        let take = { (json: inout JSONReader) in
          guard case .string(let name) = try json.scalar() else { return }
          names.insert(name)
          guard names.count <= Self.limit else { throw failure("it names more than \(Self.limit) files") }
        }
        // Of two maps loaders take the last; some take the whole for the map where there is none.
        try json.largeObject { json, name in
          guard name.elementsEqual("weight_map".utf8), json.peek() == UInt8(ascii: "{") else { return try take(&json) }
          try json.largeObject { json, _ in try take(&json) }
        }
      }
    } catch let error as CheckpointError {
      throw error
    } catch let error as JSONReader.Failure {
      throw failure(error.reason, at: error.offset)
    } catch {
      throw failure("it cannot be read")
    }
    self.names = names
    folder = Folder.parent(of: path)
  }

  /// The files that exist and are not among others, by the paths that lead there.
  func files(besides others: [String]) -> [String] {
    let known = Set(others.map(Self.plain))
    return names.sorted().map { $0.hasPrefix("/") ? $0 : Folder.join(folder, $0) }.filter {
      !known.contains(Self.plain($0)) && Folder.kind(of: $0) == .file
    }
  }

  /// A path without steps that lead nowhere.
  private static func plain(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
      if part == "..", let last = parts.last, last != ".." { parts.removeLast() } else { parts.append(part) }
    }
    return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
  }
}
