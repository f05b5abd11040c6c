// Files that become others while they are decrypted: their ranges go to their places as they stream past the digests,
// and nothing gets a name before the digests agree. No plain file is written in between.

import ByteIO
import Checksum
import Foundation

extension ReleaseDecryptor {
  /// Plans the files that take part; nil where none does.
  func conversion(of items: [DecryptItem]) throws -> ReleaseConversion? {
    guard let converter = plan.options.converter else { return nil }
    let files = try items.filter { $0.isConverted && $0.problem == nil }.map { item in
      (item.outputName, try DecryptedFile(item, key: plan.key) as any ByteSource)
    }
    return files.isEmpty ? nil : converter.plan(files)
  }

  /// Decrypts a file into those that its plan makes of it, or finds them there.
  func convert(_ item: DecryptItem, _ scatter: ScatterPlan, _ work: FileWork) throws -> FileResult {
    try plan.refuse(scatter.outputs.map(\.name))
    let paths = scatter.outputs.map { Folder.join(plan.outputFolder, $0.name) }
    let existing = try paths.map { try existingFile($0) }
    if !paths.isEmpty, existing.allSatisfy({ $0 != nil }) {
      if let digests = try matches(existing.compactMap(\.self), item, scatter, work) {
        return result(item, .skipped, digests: digests).became(paths)
      }
    }
    if !plan.options.force, let taken = zip(paths, existing).first(where: { $1 != nil }) {
      throw DecryptPlan.existsError(taken.0, "it is not what this release gives")
    }
    let writers = try scatter.outputs.map { output in
      let writer = try AtomicFileWriter(in: plan.outputFolder)
      try writer.reserve(output.byteCount)
      try writer.write(output.head, at: 0)
      return writer
    }
    let trailing = zip(writers, scatter.outputs).map { writer, output in
      plan.options.digestsOutputs ? TrailingDigest(of: writer, size: output.byteCount) : nil
    }
    defer { for digest in trailing { digest?.giveUp() } }
    for (digest, output) in zip(trailing, scatter.outputs) { digest?.wrote(output.head.count, at: 0) }
    let digests = try scattered(item, scatter, work) { output, bytes, offset in
      try writers[output].write(bytes, at: offset)
      trailing[output]?.wrote(bytes.byteCount, at: offset)
    }
    try plan.refuse(scatter.outputs.map(\.name))
    let replaced = existing.contains { $0 != nil } ? "replaced other files of these names" : nil
    // All that a file becomes, or nothing of it.
    do {
      try AtomicFileWriter.commit(
        zip(writers, scatter.outputs).map { ($0, $1.name, $1.byteCount) }, replacing: plan.options.force)
    } catch {
      guard error.code == .exists else { throw error }
      throw DecryptPlan.existsError(error.file ?? plan.outputFolder, "it appeared during the work")
    }
    let found = zip(scatter.outputs, trailing).compactMap { output, digest in
      digest?.finish().map { (output.name, $0) }
    }
    return result(item, .verified, digests: digests).became(
      paths, Dictionary(uniqueKeysWithValues: found),
      note: [scatter.secondPassReason.map { "read twice: \($0)" }, replaced].compactMap(\.self).nonEmptyJoined)
  }

  /// Why a file has no plan. Its digest tells a damaged file from one that is whole and no checkpoint.
  func failure(_ item: DecryptItem, toConvert error: any Error, _ work: FileWork) throws -> any Error {
    _ = try pass(item, work) { _, _ in }
    guard let error = error as? any ToolError else { return error }
    return XorDecryptError(
      .wrongInput, file: item.outputName, place: error.place,
      reason: "the file is whole, but cannot be converted: \(error.reason)",
      remedy: "leave \(.format(nil)) out, to have the file as it is")
  }

  /// Writes the file that belongs to all, or finds it there.
  func write(_ index: (name: String, bytes: [UInt8])) throws {
    try plan.refuse([index.name])
    let path = Folder.join(plan.outputFolder, index.name)
    if let existing = try existingFile(path), existing.size == index.bytes.count,
      try existing.bytes(count: index.bytes.count) == index.bytes
    {
      return
    }
    let writer = try AtomicFileWriter(in: plan.outputFolder)
    try writer.write(index.bytes, at: 0)
    guard try writer.commit(as: index.name, size: index.bytes.count, replacing: plan.options.force) == .created else {
      throw DecryptPlan.existsError(path, "it is not the index of these files")
    }
  }

  /// Streams a file to its outputs; the second pass, where one is needed, comes only after the digests agree.
  private func scattered(
    _ item: DecryptItem, _ scatter: ScatterPlan, _ work: FileWork,
    _ write: @escaping (_ output: Int, _ bytes: RawSpan, _ offset: Int) throws -> Void
  ) throws -> [DigestAlgorithm: Digest] {
    var walk = scatter.walk()
    let digests = try pass(item, work) { bytes, offset in try walk.pass(bytes, at: offset, write) }
    if scatter.secondPassReason != nil {
      for output in scatter.outputs.indices {
        try scatter.secondPass(output) { bytes, offset in try write(output, bytes, offset) }
      }
    }
    return digests
  }

  /// The digests of a file whose outputs are there already, byte for byte; nil where they are not.
  private func matches(
    _ existing: [InputFile], _ item: DecryptItem, _ scatter: ScatterPlan, _ work: FileWork
  ) throws -> [DigestAlgorithm: Digest]? {
    for (file, output) in zip(existing, scatter.outputs) {
      guard file.size == output.byteCount, try file.bytes(count: output.head.count) == output.head else { return nil }
    }
    do {
      return try scattered(item, scatter, work) { output, bytes, offset in
        let there = try existing[output].bytes(at: offset, count: bytes.byteCount)
        guard bytes.isEqual(to: there) else { throw Difference() }
      }
    } catch is Difference {
      return nil
    }
  }
}

/// What is there is not what would be written.
private struct Difference: Error {}

extension RawSpan {
  fileprivate func isEqual(to other: [UInt8]) -> Bool {
    guard byteCount == other.count else { return false }
    // SAFETY: both have that many bytes.
    return unsafe withUnsafeBytes { bytes in
      unsafe other.withUnsafeBytes { other in
        guard let one = bytes.baseAddress, let two = other.baseAddress else { return true }
        return unsafe memcmp(one, two, bytes.count) == 0
      }
    }
  }
}

extension [String] {
  /// All of them as one text; nil where there is none.
  fileprivate var nonEmptyJoined: String? { isEmpty ? nil : joined(separator: "; ") }
}

extension FileResult {
  /// The same result, with what the file became.
  fileprivate func became(
    _ paths: [String], _ outputDigests: [String: Digest] = [:], note: String? = nil
  ) -> FileResult {
    FileResult(
      input: input, output: paths.first, outputs: paths, bytes: bytes, digests: digests, outputDigests: outputDigests,
      status: status, note: note)
  }
}
