// A folder of files that are made one by one, and appear together when all are what their names say.

import ByteIO
import Checkpoint
import Foundation
import Model

/// The output of an XOR of files.
struct FilesOutput {
  private let files: XorFiles
  private let folder: String

  init(_ files: XorFiles, to folder: String) { (self.files, self.folder) = (files, folder) }

  /// Writes all, and gives them their names.
  ///
  /// - Parameter check: looks at the finished files before they have their names.
  /// - Returns: the bytes that were written, and the paths of files that were replaced and removed.
  func run(
    replacing: Bool, inputs: InputRecord, remark: (ConversionRemark) -> Void, checking check: (String) throws -> Void,
    progress: @escaping ProgressHandler
  ) throws -> (bytes: Int, replaced: [String], removed: [String]) {
    TemporaryFiles.removeAbandoned(in: folder)
    let place = try prepared(replacing: replacing, inputs: inputs, remark: remark).place
    let isNew = Folder.kind(of: folder) == nil
    try Folder.create(folder)
    do {
      return try fill(
        place, place.names, replacing: replacing, inputs: inputs, remark: remark, checking: check, progress: progress)
    } catch {
      // Nothing is left behind; a folder that is not empty stays.
      if isNew { unsafe rmdir(folder) }
      throw error
    }
  }

  /// What a run would write. A payload that is compressed does not say how long it is.
  func planned(
    replacing: Bool, inputs: InputRecord, remark: (ConversionRemark) -> Void
  ) throws -> OutputPlan {
    let (place, replaced, removed) = try prepared(replacing: replacing, inputs: inputs, remark: remark)
    let sizes = Dictionary(files.items.map { ($0.name, $0.isCompressed ? nil : $0.other.size) }) { one, _ in one }
    return OutputPlan(
      place.names.map { OutputPlan.File(Folder.join(folder, $0), bytes: sizes[$0] ?? nil) }, in: folder,
      replaced: replaced, removed: removed)
  }

  /// Checks whatever can be checked before anything is written, and tells of it.
  private func prepared(
    replacing: Bool, inputs: InputRecord, remark: (ConversionRemark) -> Void
  ) throws -> (place: ModelPlace, replaced: [String], removed: [String]) {
    let nothing = try TensorView([])
    let output = ModelOutput(nothing, to: folder, container: nil, shardSize: nil)
    let names = ModelOutput.ordered(files.items.map(\.name))
    let existing = try output.check(nothing, others: names, inputs: inputs, replacing: replacing)
    let place = ModelPlace(folder, names: names, kind: .model)
    let removed = try place.leftovers(inputs: inputs, replacing: replacing)
    if !existing.isEmpty { remark(.replaces(existing)) }
    return (place, existing, removed)
  }

  private func fill(
    _ place: ModelPlace, _ names: [String], replacing: Bool, inputs: InputRecord, remark: (ConversionRemark) -> Void,
    checking check: (String) throws -> Void, progress: @escaping ProgressHandler
  ) throws -> (bytes: Int, replaced: [String], removed: [String]) {
    let staging = try StagingFolder(in: folder)
    try staging.standing(for: folder) {
      for item in files.items { try files.write(item, in: staging.path, progress: progress) }
    }
    if !files.isReversed {
      for item in files.items {
        if let doubt = try XorFiles.check(item.name, in: staging.path) { remark(.warning(doubt)) }
      }
    }
    try check(staging.path)
    try inputs.checkUnchanged(toleratesRemoval: true)
    let bytes = try names.reduce(0) { try $0 + InputFile(Folder.join(staging.path, $1), isInput: false).size }
    let (replaced, removed) = try place.take(from: staging.path, inputs: inputs, replacing: replacing)
    return (bytes, replaced, removed)
  }
}
