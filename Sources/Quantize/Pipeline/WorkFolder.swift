// The folder that interrupted work goes on from: what is being done, the finished tensors of each group of modules in
// their final form, and now and then the hidden states between two layers. Every file appears when it is complete.
//
//     plan.json                      options and fingerprints; another run must have the same
//     layer-0003-1.safetensors       final tensors of one group, with the modules' reports in the metadata
//     gradients-0003.safetensors     gradients at the output of a layer, for recipes that are guided by them
//     states-0004.safetensors        hidden states at the input of a layer: quantized, reference
//     lock                           held while a process works here

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model

/// A work folder, locked.
final class WorkFolder {
  /// The name of the folder in the output's folder.
  static let name = ".belle-tools-work"
  /// The name that the head is finished under.
  static let headName = "head"

  /// The name that a group of a layer's modules is finished under.
  static func groupName(layer: Int, _ role: LinearGroup.Role) -> String {
    "layer-\(fourDigits(layer))-\(role.rawValue)"
  }

  /// 7 as 0007: names that sort as numbers do.
  private static func fourDigits(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 4 - "\(number)".count)) + "\(number)"
  }

  let path: String
  /// Whether there is earlier work that is gone on with.
  private(set) var isResumed = false
  private let lock: FileLock
  private static let planName = "plan.json"

  /// Opens or makes the folder of a plan.
  ///
  /// - Parameters:
  ///   - path: the folder.
  ///   - plan: options and fingerprints.
  ///   - resumes: whether earlier work is gone on with; otherwise it is thrown away.
  /// - Throws: ``QuantizeError`` with code `.otherPlan` where there is work of another plan.
  init(_ path: String, plan: [String: String], resumes: Bool) throws {
    self.path = path
    try Self.refuseLink(path)
    try Folder.create(path)
    guard let lock = try FileLock(Folder.join(path, Self.lockName)) else {
      throw QuantizeError(
        .busy, file: path, reason: "another process is at work here", remedy: "wait for it, or give another output")
    }
    self.lock = lock
    TemporaryFiles.removeAbandoned(in: path)
    if let earlier = try Self.readPlan(Folder.join(path, Self.planName)) {
      if resumes {
        try Self.compare(earlier, plan, path)
        isResumed = true
        return
      }
      try clear()
    }
    let data = try JSONSerialization.data(
      withJSONObject: plan, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    try write([UInt8](data) + [0x0A], as: Self.planName)
  }

  /// Whether a plan could be worked on in a folder, as far as that is known without opening it.
  ///
  /// - Returns: whether earlier work would be gone on with.
  /// - Throws: ``QuantizeError`` with code `.otherPlan` where there is work of another plan; `ByteIOError` for a link.
  static func check(_ path: String, plan: [String: String], resumes: Bool) throws -> Bool {
    try refuseLink(path)
    guard resumes, let earlier = try readPlan(Folder.join(path, planName)) else { return false }
    try compare(earlier, plan, path)
    return true
  }

  /// What is removed in it must be this program's own.
  private static func refuseLink(_ path: String) throws(ByteIOError) {
    guard !Folder.isLink(path) else {
      throw ByteIOError(
        .wrongKind, file: path, reason: "the work folder is a symbolic link", remedy: "remove the link")
    }
  }

  /// Whether a folder holds work that could be gone on with.
  static func isThere(_ path: String) -> Bool { Folder.kind(of: Folder.join(path, planName)) == .file }

  /// The plan of work in a folder; nil where there is none.
  static func plan(_ path: String) throws -> [String: String]? { try readPlan(Folder.join(path, planName)) }

  private static func readPlan(_ planPath: String) throws -> [String: String]? {
    guard Folder.kind(of: planPath) == .file else { return nil }
    let file = try InputFile(planPath, isInput: false)
    let text = try file.bytes(count: min(file.size, 1 << 20))
    guard let plan = try? JSONDecoder().decode([String: String].self, from: Data(text)) else {
      throw QuantizeError(
        .otherPlan, file: planPath, reason: "the plan of earlier work cannot be read",
        remedy: "throw that work away with \(.beginningAgain)")
    }
    return plan
  }

  /// Holds two plans against each other.
  ///
  /// - Throws: ``QuantizeError`` with code `.otherPlan`, which names what differs.
  static func compare(_ earlier: [String: String], _ plan: [String: String], _ path: String) throws {
    let differences = Set(earlier.keys).union(plan.keys).sorted().filter { earlier[$0] != plan[$0] }
    guard !differences.isEmpty else { return }
    let words = differences.map { key in
      let (old, new) = (earlier[key] ?? "nothing", plan[key] ?? "nothing")
      // Fingerprints, and long lists, tell a person nothing.
      let isShort = old.count < 400 && new.count < 400
      return !isShort || old.count == 64 && new.count == 64
        ? "another \(key)" : "\(key): \(old) there, \(new) now"
    }
    throw QuantizeError(
      .otherPlan, file: path,
      reason: "there is unfinished work with other inputs or options: \(words.joined(separator: "; "))",
      remedy: "give the same ones to go on with it, throw it away with \(.beginningAgain), or give another output")
  }

  // MARK: Files

  /// A finished group's tensors and reports; nil where it is not finished. There are hundreds: none is kept open.
  func finished(_ name: String) throws -> (source: SafetensorsFile, reports: [ModuleReport])? {
    let file = Folder.join(path, name + ".safetensors")
    guard Folder.kind(of: file) == .file else { return nil }
    let source = try SafetensorsFile(OccasionalFile(file))
    guard let text = source.metadata.first(where: { $0.name == "reports" })?.value,
      let reports = try? JSONDecoder().decode([ModuleReport].self, from: Data(text.utf8))
    else {
      throw QuantizeError(
        .otherPlan, file: file, reason: "its reports are missing", remedy: "begin again with \(.beginningAgain)")
    }
    return (source, reports)
  }

  /// Writes a finished group.
  func finish(_ name: String, _ tensors: [TensorView.Entry], _ reports: [ModuleReport]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(reports), as: UTF8.self)
    let source = try TensorView(tensors)
    _ = try SafetensorsWriter.write(
      source, Array(tensors.indices), metadata: ["reports": text], as: name + ".safetensors", in: path,
      replacing: true)
  }

  /// Writes the states at the input of a layer, and removes older ones.
  func save(_ snapshot: TensorView, layer: Int) throws {
    let name = Self.snapshotName(layer)
    _ = try SafetensorsWriter.write(
      snapshot, Array(snapshot.tensors.indices), metadata: [:], as: name, in: path, replacing: true)
    for entry in try Folder.entries(of: path) where Self.layer(ofSnapshot: entry.name).map({ $0 != layer }) ?? false {
      unsafe unlink(Folder.join(path, entry.name))
    }
  }

  /// The states of the latest layer that there are; nil where there are none.
  func latestSnapshot() throws -> (layer: Int, source: SafetensorsFile)? {
    let layers = try Folder.entries(of: path).compactMap { Self.layer(ofSnapshot: $0.name) }
    guard let layer = layers.max() else { return nil }
    return (layer, try SafetensorsFile(InputFile(Folder.join(path, Self.snapshotName(layer)))))
  }

  /// The gradients at the output of a layer; nil where they are not there.
  func gradients(layer: Int) throws -> StoredGradients? {
    let file = Folder.join(path, Self.gradientsName(layer))
    guard Folder.kind(of: file) == .file else { return nil }
    return StoredGradients(source: try SafetensorsFile(OccasionalFile(file)))
  }

  /// Writes the gradients at the output of a layer.
  func save(gradients: TensorView, layer: Int) throws {
    _ = try SafetensorsWriter.write(
      gradients, Array(gradients.tensors.indices), metadata: [:], as: Self.gradientsName(layer), in: path,
      replacing: true)
  }

  /// Removes the gradients of a layer that is finished.
  func removeGradients(layer: Int) { unsafe unlink(Folder.join(path, Self.gradientsName(layer))) }

  private static func gradientsName(_ layer: Int) -> String { "gradients-\(fourDigits(layer)).safetensors" }

  private static func snapshotName(_ layer: Int) -> String { "states-\(fourDigits(layer)).safetensors" }

  private static func layer(ofSnapshot name: String) -> Int? {
    guard name.hasPrefix("states-"), name.hasSuffix(".safetensors") else { return nil }
    return Int(name.dropFirst("states-".count).dropLast(".safetensors".count))
  }

  private func write(_ bytes: [UInt8], as name: String) throws {
    let writer = try AtomicFileWriter(in: path)
    try writer.write(bytes, at: 0)
    _ = try writer.commit(as: name, size: bytes.count, replacing: true)
  }

  /// An empty folder for what is to be moved to the output.
  func stagingFolder() throws -> String {
    let staging = Folder.join(path, Self.stagingName)
    try Self.removeFiles(of: path) { $0 == Self.stagingName }
    try Folder.create(staging)
    return staging
  }

  /// Removes everything but the folder and its lock.
  private func clear() throws { try Self.removeFiles(of: path, where: Self.isOurs) }

  /// Removes the folder; what others have put there stays.
  func remove() throws {
    try clear()
    unsafe unlink(Folder.join(path, Self.lockName))
    unsafe rmdir(path)
  }

  /// The paths of the files that work in a folder may replace or remove.
  static func files(_ path: String) throws -> [String] {
    try [path, Folder.join(path, stagingName)].filter { Folder.kind(of: $0) == .folder }.flatMap { folder in
      try Folder.entries(of: folder).filter { $0.kind == .file }.map { Folder.join(folder, $0.name) }
    }
  }

  private static let stagingName = "model"
  private static let lockName = "lock"

  /// Whether a name is one that this program gives to files of a work folder, the lock excepted.
  private static func isOurs(_ name: String) -> Bool {
    name == "plan.json" || name == stagingName || TemporaryFiles.isTemporary(name)
      || name.hasSuffix(".safetensors")
        && (["layer-", "states-", "gradients-"].contains(where: name.hasPrefix) || name == headName + ".safetensors")
  }

  /// Removes files of a folder, and the folder of staged files with what is in it.
  private static func removeFiles(of folder: String, where isWanted: (String) -> Bool) throws {
    guard Folder.kind(of: folder) == .folder, !Folder.isLink(folder) else { return }
    for entry in try Folder.entries(of: folder) where isWanted(entry.name) {
      let path = Folder.join(folder, entry.name)
      if entry.kind == .folder, !Folder.isLink(path) {
        try removeFiles(of: path) { _ in true }
        unsafe rmdir(path)
      } else {
        guard unsafe unlink(path) == 0 || errno == ENOENT else {
          throw ByteIOError(errno: errno, file: path, action: "remove a file of earlier work")
        }
      }
    }
  }
}

/// The gradients of all tokens at the output of a layer, draw by draw.
struct StoredGradients: GradientRows {
  fileprivate let source: SafetensorsFile

  func gradient(_ draw: Int, _ rows: Range<Int>) throws -> Matrix<Float> {
    let width = source.tensors.first?.shape.last ?? 0
    let cursor = try cursor(draw: draw, rows: rows.upperBound, width: width)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(2 * rows.count * width)
    try cursor.read(2 * rows.lowerBound * width..<2 * rows.upperBound * width) { part in
      unsafe part.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
    }
    return Matrix(brainHalves: bytes, rows: rows.count, columns: width)
  }

  /// A draw's gradients in bfloat16.
  ///
  /// - Parameters:
  ///   - rows: how many there must be at least.
  ///   - width: of each.
  func cursor(draw: Int, rows: Int, width: Int) throws -> any TensorCursor {
    guard let index = source.tensors.firstIndex(where: { $0.name == "draw-\(draw)" }),
      source.tensors[index].shape.count == 2, source.tensors[index].dtype == .bf16,
      rows <= source.tensors[index].shape[0], source.tensors[index].shape[1] == width
    else {
      throw QuantizeError(
        .otherPlan, file: source.tensors.first?.file, reason: "the saved gradients do not fit",
        remedy: "begin again with \(.beginningAgain)")
    }
    return source.cursor(index)
  }
}
