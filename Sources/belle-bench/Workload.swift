// The files that the benchmark works on: a key, a plain file, a release of it, and one of four files, which are as large
// together: what memory is left, and so how the system treats outputs, must not depend on the case.

import ByteIO
import Checksum
import Foundation

/// A release in a scratch folder; removed with its owner.
final class Workload {
  let folder: String
  let tool: String
  let size: Int
  /// The size of one of four files, in bytes.
  var partSize: Int { size / 4 }

  var key: String { folder + "/key.pth" }
  var plain: String { folder + "/plain/model.bin" }
  /// One large file.
  var single: String { folder + "/single" }
  /// Four files of the same bytes under four names, ``partSize`` each.
  var four: String { folder + "/four" }
  /// Four plain files of the same bytes.
  var fourPlain: String { folder + "/plain4" }
  var md5List: String { folder + "/model.md5" }
  var fourList: String { folder + "/four.sha256" }
  var wrongKey: String { folder + "/wrong.pth" }

  /// Makes the files; takes a while.
  ///
  /// - Parameters:
  ///   - parent: where there is room for five times `size`, in memory best.
  ///   - tool: the belle-tools binary.
  ///   - size: of the large file, in bytes.
  init(in parent: String, tool: String, size: Int) throws {
    folder = parent + "/belle-bench-\(getpid())"
    self.tool = tool
    self.size = size
    for name in ["", "/plain", "/plain4", "/single", "/four", "/part", "/part-enc"] { try Folder.create(folder + name) }
    var random = SystemRandomNumberGenerator()
    let block = (0..<(4 << 20) / 8).flatMap { _ in
      unsafe withUnsafeBytes(of: random.next()) { unsafe Array($0) }
    }
    // Half the plain file's size and a short tail, so that the key starts over.
    try write(key, block: block, size: size / 2 + 3_000_001, salt: 1)
    try write(wrongKey, block: block, size: 12 << 20, salt: 9)
    try write(plain, block: block, size: size, salt: 2)
    try write(folder + "/plain/config.json", block: block, size: 600, salt: 3)

    try expect(Child.run([tool, "encrypt", folder + "/plain", key, single, "--quiet"]))
    guard let md5 = try FileDigest.compute([.md5], of: InputFile(plain))[.md5] else { return }
    try text(md5List, Manifest.line(md5, path: "model.bin") + "\n")

    let part = folder + "/part/model.bin"
    try write(part, block: block, size: partSize, salt: 4)
    try expect(Child.run([tool, "encrypt", folder + "/part", key, folder + "/part-enc", "--quiet"]))
    guard let sha256 = try FileDigest.compute([.sha256], of: InputFile(part))[.sha256] else { return }
    var list = ""
    for name in ["a", "b", "c", "d"] {
      try linked(folder + "/part-enc/model.bin.\(sha256).enc", four + "/\(name).bin.\(sha256).enc")
      try linked(part, fourPlain + "/\(name).bin")
      list += Manifest.line(sha256, path: "\(name).bin") + "\n"
    }
    try text(fourList, list)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// An output folder that is not there yet.
  func freshOutput(in parent: String? = nil) throws -> String {
    let path = (parent ?? folder) + "/belle-bench-out-\(getpid())"
    try? FileManager.default.removeItem(atPath: path)
    return path
  }

  /// Fails where a program did not end as it should: a wrong answer is not worth timing.
  @discardableResult
  func expect(_ cost: Cost, status: Int32 = 0) throws -> Cost {
    guard cost.status == status else {
      throw ByteIOError(.interrupted, file: tool, reason: "exit status \(cost.status) instead of \(status)")
    }
    return cost
  }

  private func write(_ path: String, block: [UInt8], size: Int, salt: UInt8) throws {
    let writer = try AtomicFileWriter(in: Folder.parent(of: path))
    var block = block
    var at = 0
    while at < size {
      block[0] = UInt8(truncatingIfNeeded: at >> 22) ^ salt
      try writer.write(size - at < block.count ? Array(block.prefix(size - at)) : block, at: at)
      at += block.count
    }
    _ = try writer.commit(as: Folder.name(of: path), size: size, replacing: true)
  }

  private func text(_ path: String, _ text: String) throws {
    let bytes = Array(text.utf8)
    let writer = try AtomicFileWriter(in: Folder.parent(of: path))
    try writer.write(bytes, at: 0)
    _ = try writer.commit(as: Folder.name(of: path), size: bytes.count, replacing: true)
  }

  private func linked(_ source: String, _ target: String) throws {
    guard unsafe link(source, target) == 0 else { throw ByteIOError(errno: errno, file: target, action: "link it") }
  }
}
